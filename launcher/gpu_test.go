package launcher

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGPUProbe builds machines out of files: what the probe looks at is what a
// driver installs, in the places where Debian, Red Hat and containers have it.
func TestGPUProbe(t *testing.T) {
	const list = "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-11111111-2222-3333-4444-555555555555)\n"
	lists := func(out string, err error) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { return []byte(out), err }
	}
	for _, tt := range []struct {
		name, want string
		files      map[string]string
		smi        func(context.Context) ([]byte, error)
		library    string
	}{
		{"nothing", "libcuda.so.1 not found: no NVIDIA driver", nil, lists(list, nil), ""},
		{"driver without device", "no device /dev/nvidia0", map[string]string{"usr/lib64/libcuda.so.1": ""}, lists(list, nil), ""},
		{"device without driver", "libcuda.so.1 not found: no NVIDIA driver", map[string]string{"dev/nvidia0": "", "dev/nvidiactl": ""}, lists(list, nil), ""},
		{"control device alone", "no device /dev/nvidia0", map[string]string{"usr/lib64/libcuda.so.1": "", "dev/nvidiactl": ""}, lists(list, nil), ""},
		{"all", "", map[string]string{"usr/lib/x86_64-linux-gnu/libcuda.so.1": "", "dev/nvidia0": ""}, lists(list, nil), ""},
		{"second device, no nvidia-smi", "", map[string]string{"usr/lib64/libcuda.so.1": "", "dev/nvidia3": ""}, lists("", exec.ErrNotFound), ""},
		{"library path", "", map[string]string{"opt/driver/libcuda.so.1": "", "dev/nvidia0": ""}, lists(list, nil), "/opt/other:/opt/driver"},
		{"linker's cache", "", map[string]string{"odd/place/libcuda.so.1": "", "dev/nvidia0": "",
			"etc/ld.so.cache": "glibc-ld.so.cache1.1\x00libcuda.so.1\x00/odd/place/libcuda.so.1\x00libc.so.6\x00"}, lists(list, nil), ""},
		{"stale cache", "libcuda.so.1 not found: no NVIDIA driver", map[string]string{"dev/nvidia0": "",
			"etc/ld.so.cache": "libcuda.so.1\x00/odd/place/libcuda.so.1\x00"}, lists(list, nil), ""},
		{"Windows' Linux", "", map[string]string{"usr/lib/wsl/lib/libcuda.so.1": "", "dev/dxg": ""}, lists(list, nil), ""},
		{"driver of another kernel", "nvidia-smi -L: exit status 18: Failed to initialize NVML: Driver/library version mismatch",
			map[string]string{"usr/lib64/libcuda.so.1": "", "dev/nvidia0": ""},
			lists("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.1\n", errors.New("exit status 18")), ""},
		{"none left", "nvidia-smi -L lists no GPU: No devices found.", map[string]string{"usr/lib64/libcuda.so.1": "", "dev/nvidia0": ""}, lists("No devices found.\n", nil), ""},
	} {
		root := t.TempDir()
		for name, text := range tt.files {
			file := filepath.Join(root, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		env := func(name string) string {
			if name == "LD_LIBRARY_PATH" {
				return tt.library
			}
			return ""
		}
		if got := (GPUProbe{Root: root, Getenv: env, SMI: tt.smi}).Missing(t.Context()); got != tt.want {
			t.Errorf("%s: Missing = %q, want %q", tt.name, got, tt.want)
		}
	}
}
