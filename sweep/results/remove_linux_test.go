package results

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// asNobody makes a test that root runs meet the permissions of files, until it
// calls what is returned.
func asNobody(t *testing.T, owned string) (root func()) {
	t.Helper()
	if os.Getuid() != 0 {
		return func() {}
	}
	const nobody = 65534
	if err := filepath.WalkDir(owned, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, nobody, nobody)
	}); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	root = func() { syscall.Setfsuid(0) }
	t.Cleanup(root)
	return root
}

// A program leaves folders that nobody may write into, or even list: caches of
// packages do. The sweep goes all the same, and so do superseded attempts.
func TestRemoveClosedFolders(t *testing.T) {
	s := newSweep(t, 3, 1, true)
	tree := s.Tree()
	for _, folder := range []string{"runs/0000-x0/a0/mod/pkg@v1", "runs/0001-x1/a0"} {
		touch(t, s, folder+"/closed/deep/file", "0123456789")
	}
	link := filepath.Join(s.Path(), "runs/0000-x0/a0/mod/outside")
	outside := t.TempDir()
	if err := os.Chmod(outside, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	root := asNobody(t, tree.Path())
	for _, x := range []struct {
		path string
		mode os.FileMode
	}{
		{"runs/0000-x0/a0/mod/pkg@v1/closed/deep", 0o555},
		{"runs/0000-x0/a0/mod/pkg@v1/closed", 0o555},
		{"runs/0000-x0/a0/mod", 0o400},
		{"runs/0001-x1/a0", 0},
	} {
		if err := s.dir.Chmod(x.path, x.mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.dir.Remove("runs/0000-x0/a0/mod/pkg@v1/closed/deep/file"); err == nil {
		t.Fatal("a file in a closed folder can be deleted: this test shows nothing")
	}
	if files, bytes, err := s.Size(); err != nil || files == 0 || bytes < 10 {
		t.Errorf("Size = %d files, %d bytes, %v, want those that can be seen", files, bytes, err)
	}
	if err := s.Prune(Waste{Kind: WasteAttempt, Run: "0001-x1", Attempt: "a0", Path: "runs/0001-x1/a0"}); err != nil {
		t.Error(err)
	}
	if err := tree.Remove("s"); err != nil {
		t.Fatal(err)
	}
	left, err := fs.Glob(tree.root.FS(), "*")
	if err != nil || slices.ContainsFunc(left, func(n string) bool { return strings.Contains(n, removedPrefix) }) {
		t.Errorf("Remove left %v, %v", left, err)
	}
	root()
	if info, err := os.Stat(outside); err != nil || info.Mode().Perm() != 0o555 {
		t.Errorf("what a link leads to: %v, %v, want it untouched", info, err)
	}
}
