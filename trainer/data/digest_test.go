package data

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDigest(t *testing.T) {
	first, size, err := Digest(Spec{Name: "digits"})
	if err != nil || len(first) != 64 || size != int64(len(digitsCSV)) {
		t.Errorf("Digest of digits = %q, %d, %v", first, size, err)
	}
	dir := t.TempDir()
	s := Spec{Name: "csv", Dir: dir, File: "t.csv", Target: "y"}
	if _, _, err := Digest(s); err == nil {
		t.Error("a table that is not there has a digest")
	}
	digest := func(text string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, n, err := Digest(s)
		if err != nil || n != int64(len(text)) {
			t.Fatalf("Digest = %q, %d, %v", d, n, err)
		}
		return d
	}
	a, b, again := digest("x,y\n1,2\n"), digest("x,y\n1,3\n"), digest("x,y\n1,2\n")
	if a == b || a != again {
		t.Errorf("digests %s, %s and again %s: want two the same and one other", a, b, again)
	}
}
