package launcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// GPUProbe finds out whether a CUDA program can work on this machine, without
// starting one: a program that is linked with CUDA cannot start where there is
// no driver. The zero value probes this machine.
type GPUProbe struct {
	Root string // in place of "/"
	// Getenv and SMI are os.Getenv and `nvidia-smi -L`; SMI returns
	// [exec.ErrNotFound] where there is no such program.
	Getenv func(string) string
	SMI    func(ctx context.Context) ([]byte, error)
}

// Missing says what is missing for a CUDA program, or "".
func (p GPUProbe) Missing(ctx context.Context) string {
	if p.Root == "" {
		p.Root = "/"
	}
	if p.Getenv == nil {
		p.Getenv = os.Getenv
	}
	if p.SMI == nil {
		p.SMI = nvidiaSMI
	}
	if runtime.GOOS != "linux" && p.Root == "/" {
		return "CUDA programs of orch are for Linux, this is " + runtime.GOOS
	}
	if !p.driver() {
		return "libcuda.so.1 not found: no NVIDIA driver"
	}
	devices, err := fs.Glob(os.DirFS(p.Root), "dev/nvidia[0-9]*")
	if _, wsl := os.Stat(filepath.Join(p.Root, "dev/dxg")); err != nil || len(devices) == 0 && wsl != nil {
		return "no device /dev/nvidia0"
	}
	out, err := p.SMI(ctx)
	out = bytes.TrimSpace(out)
	line, _, _ := bytes.Cut(out, []byte("\n"))
	switch {
	case errors.Is(err, exec.ErrNotFound): // a container may come without it
	case err != nil:
		return fmt.Sprintf("nvidia-smi -L: %v: %s", err, line)
	case !bytes.HasPrefix(out, []byte("GPU ")):
		return fmt.Sprintf("nvidia-smi -L lists no GPU: %s", line)
	}
	return ""
}

// libraries are where drivers install themselves, besides what the linker
// knows: container toolkits, NixOS, Windows.
var libraries = []string{"usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib", "lib64", "usr/local/nvidia/lib64",
	"usr/local/cuda/compat", "run/opengl-driver/lib", "usr/lib/wsl/lib"}

var cached = regexp.MustCompile(`/[^\x00]*/libcuda\.so\.1\x00`)

// driver reports whether the dynamic linker would find the driver's library.
func (p GPUProbe) driver() bool {
	there := func(path string) bool {
		info, err := os.Stat(filepath.Join(p.Root, path))
		return err == nil && info.Mode().IsRegular()
	}
	for _, dir := range append(filepath.SplitList(p.Getenv("LD_LIBRARY_PATH")), libraries...) {
		if dir != "" && there(filepath.Join(dir, "libcuda.so.1")) {
			return true
		}
	}
	// The linker's cache is a table of paths; their text is enough.
	cache, err := os.ReadFile(filepath.Join(p.Root, "etc/ld.so.cache"))
	if err != nil {
		return false
	}
	for _, m := range cached.FindAll(cache, -1) {
		if there(string(m[:len(m)-1])) {
			return true
		}
	}
	return false
}

func nvidiaSMI(ctx context.Context) ([]byte, error) {
	// It can hang for minutes where a device has fallen off its bus.
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return nil, exec.ErrNotFound
	}
	cmd := exec.CommandContext(ctx, path, "-L")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("no answer in 20 s: %s", strings.TrimSpace(string(out)))
	}
	return out, err
}
