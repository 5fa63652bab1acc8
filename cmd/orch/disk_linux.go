package main

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// syncFolder makes what a folder lists durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// disk is what a folder lies on.
type disk struct {
	kind       string // "ext4", "nfs4"
	options    string // of the mount
	free       int64  // bytes that this user may still write; negative: not known
	freeInodes int64
}

func diskOf(dir string) disk {
	d := disk{free: -1, freeInodes: -1}
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) == nil {
		d.free = int64(st.Bavail) * st.Bsize
		if st.Files > 0 { // btrfs and others have no such number
			d.freeInodes = int64(st.Ffree)
		}
	}
	b, _ := os.ReadFile("/proc/self/mountinfo") // proc_pid_mountinfo(5)
	best := -1
	for line := range strings.Lines(string(b)) {
		head, tail, ok := strings.Cut(line, " - ")
		f, t := strings.Fields(head), strings.Fields(tail)
		if !ok || len(f) < 6 || len(t) < 3 || len(f[4]) < best || dir != f[4] && !strings.HasPrefix(dir, strings.TrimSuffix(f[4], "/")+"/") {
			continue
		}
		best, d.kind, d.options = len(f[4]), t[0], f[5]+","+t[2]
	}
	return d
}
