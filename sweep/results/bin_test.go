package results

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCallFolder(t *testing.T) {
	tree, err := Create(t.TempDir(), DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	own := filepath.Join(t.TempDir(), "orch")
	if err := os.WriteFile(own, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, want := CallFolder(own), filepath.Dir(own); got != want {
		t.Errorf("CallFolder(%s) = %q, want %q", own, got, want)
	}
	for range 2 { // the second finds everything there
		frozen, err := tree.FreezeBinary(own, "")
		if err != nil {
			t.Fatal(err)
		}
		folder := CallFolder(frozen)
		if b, err := os.ReadFile(filepath.Join(folder, "orch")); err != nil || string(b) != "#!/bin/sh\n" {
			t.Errorf("orch in the call folder %q holds %q, %v", folder, b, err)
		}
		if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
			t.Errorf("the call folder has %d entries, %v; want orch alone, since it goes into a PATH", len(entries), err)
		}
	}
	other := filepath.Join(filepath.Dir(own), "orch-dev")
	if err := os.Rename(own, other); err != nil {
		t.Fatal(err)
	}
	if got := CallFolder(other); got != "" {
		t.Errorf("CallFolder(%s) = %q, want nothing: nobody can call it orch", other, got)
	}
}
