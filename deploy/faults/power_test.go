//go:build linux

package faults

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"orch/sweep/results"
)

// The tree lies on an ext4 image that writes back only once a minute. At random
// moments the image is copied, which is what a power cut leaves of it; the copy is
// mounted, and everything that was acknowledged before the copy began must be in it.
// A seal is acknowledged when its worker goes on after it: for the moment between
// link() and fsync others see a seal that a power cut may still take.
func TestPowerLoss(t *testing.T) {
	rnd := chance(t)
	cuts, sealed, sweeps := 0, 0, 0
	for want := times(6, 300); cuts < want && !t.Failed(); sweeps++ {
		r := newRig(t, 30)
		image := filepath.Join(r.dir, "image")
		r.format(image)
		ended := r.start(r.command("submit", "s.toml"))
		for over := false; !over; {
			wait(rnd, 300*time.Millisecond)
			select {
			case <-ended:
				over = true
			default:
			}
			r.observe()
			acked := r.acknowledged(over)
			cut := &rig{t: t, dir: t.TempDir(), acked: acked, mark: r.mark + "-cut"}
			cut.tree = filepath.Join(cut.dir, "results")
			copied := filepath.Join(cut.dir, "image")
			r.still(func() { copyFile(t, image, copied) })
			cut.mount("-o", "loop", copied)
			cut.write("s.toml", readFile(t, filepath.Join(r.dir, "s.toml")))
			cut.observe() // what was sealed is there, as it was
			if out, stderr, code := cut.run(cut.command("fsck")); len(acked) > 0 && code != 0 {
				t.Errorf("after a power cut fsck ends with code %d:\n%s%s", code, out, stderr)
			}
			if cuts%10 == 0 {
				cut.settle()
			} else if len(acked) > 0 {
				checked(t, func(c *checks) { c.fsck++ })
			}
			cut.unlessBusy("umount", cut.tree)
			os.Remove(copied)
			cuts++
			sealed += len(acked)
		}
		r.settle()
	}
	survived(t, "power cut of the file server", cuts, "%d sweeps, %d sealed results looked for: all there", sweeps, sealed)
}

// still does something while no process of the rig does anything: a copy of an
// image is of one moment then, however long it takes. What is in the journal of the
// file system stays there.
func (r *rig) still(do func()) {
	r.t.Helper()
	stopped := map[int]bool{}
	defer func() {
		for pid := range stopped {
			syscall.Kill(pid, syscall.SIGCONT)
		}
	}()
	for more := true; more; { // they may have started others meanwhile
		more = false
		for _, pid := range r.processes(nil) {
			if !stopped[pid] && syscall.Kill(pid, syscall.SIGSTOP) == nil {
				stopped[pid], more = true, true
			}
		}
	}
	do()
}

// acknowledged returns the results under seals whose workers have gone on to
// another block, or all if the sweep is over.
func (r *rig) acknowledged(over bool) map[string]string {
	r.t.Helper()
	acked := map[string]string{}
	tree, err := results.Open(r.tree)
	var none *results.NoTreeError
	if errors.As(err, &none) {
		return acked
	}
	if err != nil {
		r.t.Fatal(err)
	}
	defer tree.Close()
	s, err := tree.Sweep("s")
	if errors.Is(err, results.ErrNoSweep) {
		return acked
	}
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	sn, err := s.Snapshot()
	if err != nil {
		r.t.Fatal(err)
	}
	now := map[string]string{} // by worker: the block it holds
	for _, c := range sn.OpenClaims() {
		now[c.Holder.Name] = c.Block
	}
	for _, st := range sn.Derive() {
		if st.State != results.StateDone || !st.Sealed {
			continue
		}
		a := st.Attempts[st.Counted]
		if over || a.Holder != nil && now[a.Holder.Name] != "" && now[a.Holder.Name] != a.Block {
			acked[st.Run.Name] = result(st)
		}
	}
	return acked
}

// format makes an ext4 image and mounts it on the rig's tree.
func (r *rig) format(image string) {
	r.t.Helper()
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		r.t.Skip("no mkfs.ext4: install the Debian package e2fsprogs")
	}
	f, err := os.Create(image)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := f.Truncate(16 << 20); err != nil {
		r.t.Fatal(err)
	}
	f.Close()
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		r.t.Skipf("mkfs.ext4: %v: %s", err, out)
	}
	r.mount("-o", "loop,commit=60", image)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
