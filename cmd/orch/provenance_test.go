package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The go command says what a binary's build ID is.
func TestContentID(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, system := range []string{"linux/amd64", "darwin/arm64", "windows/amd64"} {
		t.Run(system, func(t *testing.T) {
			bin := filepath.Join(dir, strings.ReplaceAll(system, "/", "-"))
			goos, goarch, _ := strings.Cut(system, "/")
			build := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, filepath.Join(dir, "main.go"))
			build.Env = append(build.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("go build: %v\n%s", err, out)
			}
			said, err := exec.Command("go", "tool", "buildid", bin).Output()
			if err != nil {
				t.Fatal(err)
			}
			want := strings.TrimSpace(string(said))
			want = want[strings.LastIndexByte(want, '/')+1:]
			b, err := os.ReadFile(bin)
			if err != nil {
				t.Fatal(err)
			}
			if got := contentID(b[:min(len(b), linkedIn)]); got != want || len(want) < 20 {
				t.Errorf("contentID = %q, go tool buildid ends in %q", got, want)
			}
		})
	}
}

func TestContentIDOfOtherBinaries(t *testing.T) {
	for name, begin := range map[string]string{
		"empty":           "",
		"a script":        "#!/bin/sh\nexec orch\n",
		"stripped of it":  "\x7fELF....\xff Go build ID: \"\"\n \xff",
		"a lying note":    "\xff\xff\xff\x7f\x04\x00\x00\x00Go\x00\x00abc",
		"a note at once":  "\x04\x00\x00\x00Go\x00\x00a/b/c/d",
		"without its end": "\xff Go build ID: \"a/b",
	} {
		if got := contentID([]byte(begin)); got != "" {
			t.Errorf("%s: contentID = %q, want nothing", name, got)
		}
	}
}
