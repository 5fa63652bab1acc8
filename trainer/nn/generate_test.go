package nn

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGenerated: the assembly is what its generator writes. The generator's
// module may have to be fetched, so this is one of the long tests.
func TestGenerated(t *testing.T) {
	if os.Getenv("ORCH_LONG") == "" {
		t.Skip("set ORCH_LONG=1 to run the generator")
	}
	dir := t.TempDir()
	for _, f := range []string{"go.mod", "go.sum", "main.go", "multiply.go", "pack.go", "vectors.go"} {
		b, err := os.ReadFile(filepath.Join("testdata", "avo", f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "testdata", "avo"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "testdata", "avo", f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// As the go:generate line in gemm.go, so that the header comes out alike.
	c := exec.Command("go", "run", ".", "-out", "../../kernels_amd64.s", "-stubs", "../../kernels_amd64.go", "-pkg", "nn")
	c.Dir = filepath.Join(dir, "testdata", "avo")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, f := range []string{"kernels_amd64.s", "kernels_amd64.go"} {
		got, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the generator writes: run go generate ./trainer/nn", f)
		}
	}
}
