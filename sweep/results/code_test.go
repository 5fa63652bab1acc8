package results

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKeepCode(t *testing.T) {
	tree, err := Create(t.TempDir(), DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	s, err := tree.CreateSweep("s")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	root := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("run.sh", "one", 0o755)
	write("lib/a.py", "a", 0o644)
	write("data/x", "1", 0o644)
	if err := os.Symlink("a.py", filepath.Join(root, "lib/b.py")); err != nil {
		t.Fatal(err)
	}
	files := []string{"gone", "lib/a.py", "lib/b.py", "run.sh"}
	keep := func(links ...string) *Code {
		t.Helper()
		c, err := s.KeepCode(root, "lib", files, links)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := keep()
	if hash, err := CodeHash(root, files); err != nil || hash != first.Hash {
		t.Errorf("CodeHash = %s, %v, want %s as of the copy", hash, err, first.Hash)
	}
	again := keep("data") // the same content: no new copy, but the link that is new
	if first.Hash != again.Hash || first.Files != 3 || first.Bytes != 4 {
		t.Errorf("copies %+v and %+v, want the same, of 3 files with 4 bytes", first, again)
	}
	h := &Header{Code: again, Provenance: Provenance{Dir: "/where/submit/was/typed"}}
	if got, want := s.Workdir(h), filepath.Join(s.Path(), "code", first.Hash, "lib"); got != want {
		t.Errorf("Workdir = %s, want %s", got, want)
	}
	write("data/x", "2", 0o644)
	write("lib/a.py", "b", 0o644)
	for name, want := range map[string]string{"lib/a.py": "a", "lib/b.py": "a", "run.sh": "one", "data/x": "2"} {
		if b, err := os.ReadFile(filepath.Join(s.CodePath(first), name)); err != nil || string(b) != want {
			t.Errorf("%s in the copy = %q, %v, want %q", name, b, err, want)
		}
	}
	if st, err := os.Stat(filepath.Join(s.CodePath(first), "run.sh")); err != nil || st.Mode().Perm() != 0o500 {
		t.Errorf("run.sh: %v, %v, want it executable and read-only", st.Mode(), err)
	}
	edited := keep("data")
	write("lib/a.py", "b", 0o755)
	program := keep("data")
	if edited.Hash == first.Hash || program.Hash == edited.Hash {
		t.Errorf("hashes %s, %s after an edit, %s after chmod +x: want three", first.Hash, edited.Hash, program.Hash)
	}
	entries, err := os.ReadDir(filepath.Join(s.Path(), "code"))
	if err != nil || len(entries) != 3 {
		t.Errorf("%d entries in code/, %v, want the 3 copies and nothing unfinished", len(entries), err)
	}
	if got := s.Workdir(&Header{Provenance: h.Provenance}); got != h.Provenance.Dir {
		t.Errorf("Workdir without a copy = %s, want where submit was typed", got)
	}
	// What is listed as a file and leads out of the tree by a folder's link is refused.
	if err := os.Symlink("/etc", filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	if c, err := s.KeepCode(root, "", []string{"out/passwd"}, nil); err == nil {
		t.Errorf("KeepCode through a link out of the tree = %+v, want an error", c)
	}
}
