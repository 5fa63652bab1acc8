//go:build linux && amd64 && !cuda

package nn

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCUDATypes checks the types of this package as -tags cuda builds it, and
// of what it uses of gorgonia then, without CUDA's headers: go/types takes the
// word of the source for everything from C. It is no check of C's signatures,
// nor of linking; the image stage in deploy/Containerfile is that.
func TestCUDATypes(t *testing.T) {
	list := exec.Command("go", "list", "-e", "-deps", "-export", "-tags", "cuda", "-json=ImportPath,Dir,GoFiles,CgoFiles,Export", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	fset := token.NewFileSet()
	exports := map[string]string{} // of what compiles, which need not be read
	known := known{packages: map[string]*types.Package{"unsafe": types.Unsafe}, rest: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	checked := map[string]bool{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath, Dir, Export string
			GoFiles, CgoFiles       []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath == "unsafe" {
			continue
		}
		if p.Export != "" {
			exports[p.ImportPath] = p.Export
			continue
		}
		var files []*ast.File
		for _, name := range append(p.GoFiles, p.CgoFiles...) {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		n := 0
		conf := types.Config{Importer: known, FakeImportC: true, Sizes: types.SizesFor("gc", "amd64"), Error: func(err error) {
			// Constants of C are all alike to the checker.
			if strings.HasPrefix(p.ImportPath, "gorgonia.org/cu") && strings.Contains(err.Error(), "duplicate key unknown") {
				return
			}
			if n++; n <= 10 {
				t.Errorf("%s: %v", p.ImportPath, err)
			}
		}}
		pkg, _ := conf.Check(p.ImportPath, fset, files, nil)
		known.packages[p.ImportPath] = pkg
		checked[p.ImportPath] = true
	}
	for _, want := range []string{"gorgonia.org/cu", "gorgonia.org/cu/blas", "gorgonia.org/cu/dnn", "gorgonia.org/gorgonia", "gorgonia.org/gorgonia/cuda", "orch/trainer/nn"} {
		if !checked[want] {
			t.Errorf("%s was not checked", want)
		}
	}
}

// known are packages that were checked before those that import them.
type known struct {
	packages map[string]*types.Package
	rest     types.Importer
}

func (k known) Import(path string) (*types.Package, error) {
	if p := k.packages[path]; p != nil {
		return p, nil
	}
	return k.rest.Import(path)
}
