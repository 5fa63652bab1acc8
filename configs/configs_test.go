package configs

import (
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/BurntSushi/toml"
)

// TestEmbedded checks that every config file of this folder is part of the
// binary, in however deep a folder it lies, and is TOML.
func TestEmbedded(t *testing.T) {
	n := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || path.Ext(name) != ".toml" {
			return err
		}
		n++
		var data map[string]any
		if _, err := toml.DecodeFS(FS, name, &data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 10 {
		t.Errorf("%d files, want at least 10", n)
	}
}
