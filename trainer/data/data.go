// Package data holds the data sets that the built-in trainers learn from.
//
// A [Source] is a data set as it comes: examples, and its own test examples
// where the authors fixed some. [Source.Split] cuts it into the three parts
// of a run, by a random stream that the run's seed decides:
//
//	src, err := data.Load("digits", "")
//	parts, err := src.Split(rng, 0.1, 0.2)   // a tenth to validate, a fifth to test
//	parts.Train.Row(x, 0)                    // x is now the first training image, scaled to 0..1
//
// Two sets are known. "digits" (1,797 images of 8x8) is part of the program.
// "mnist" (60,000 + 10,000 images of 28x28) is read from the four IDX files
// that its authors published, gzipped or not; Fashion-MNIST and others of the
// same form work too. Pixels stay bytes in memory and become float32 in 0..1
// when a row is copied into a batch: a quarter of the memory, and one loaded
// set serves all runs of a process at once, since nothing ever changes it.
package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Set is a labelled set of images, unchangeable and safe for concurrent use.
type Set struct {
	Shape   []int // of one image: rows, columns
	Classes int   // labels are 0..Classes-1

	pixels []byte       // [Len, Features], row major
	labels []byte       // [Len]
	levels [256]float32 // what a pixel's byte becomes
}

// newSet checks the parts of a set. white is the byte that becomes 1.
func newSet(shape []int, classes, white int, pixels, labels []byte) (*Set, error) {
	s := &Set{Shape: shape, Classes: classes, pixels: pixels, labels: labels}
	if want := len(labels) * s.Features(); len(pixels) != want {
		return nil, fmt.Errorf("%d labels need %d pixels, got %d", len(labels), want, len(pixels))
	}
	for i, l := range labels {
		if int(l) >= classes {
			return nil, fmt.Errorf("label %d of example %d is not in 0..%d", l, i, classes-1)
		}
	}
	for b := range s.levels {
		s.levels[b] = float32(b) / float32(white)
	}
	return s, nil
}

// Len returns the number of examples.
func (s *Set) Len() int { return len(s.labels) }

// Features returns the number of values of one example.
func (s *Set) Features() int {
	n := 1
	for _, d := range s.Shape {
		n *= d
	}
	return n
}

// View is some examples of a set, in an order of its own.
type View struct {
	*Set
	Rows []int // indices into the set
}

// Len returns the number of examples of the view.
func (v View) Len() int { return len(v.Rows) }

// Row copies example i, scaled to 0..1, into dst, which has [Set.Features]
// elements.
func (v View) Row(dst []float32, i int) {
	n := len(dst)
	for j, b := range v.pixels[v.Rows[i]*n:][:n] {
		dst[j] = v.levels[b]
	}
}

// Label returns the class of example i.
func (v View) Label(i int) int { return int(v.labels[v.Rows[i]]) }

// Source is a data set before it is split.
type Source struct {
	All  *Set
	Test *Set // the test examples its authors chose, or nil
}

// Parts is a data set as a run uses it. The views share no example.
type Parts struct {
	Train, Val, Test View
}

// Split deals the examples out at random: val and test are the shares that
// validate and test, rounded to whole examples. A source with a test set of
// its own is tested on that, whatever test says. The same state of r gives the
// same parts.
func (s *Source) Split(r *rand.Rand, val, test float64) (Parts, error) {
	n := s.All.Len()
	rows := r.Perm(n)
	nVal := int(math.Round(float64(n) * val))
	nTest := int(math.Round(float64(n) * test))
	if s.Test != nil {
		nTest = 0
	}
	if nVal+nTest >= n {
		return Parts{}, fmt.Errorf("data.val_fraction = %v and data.test_fraction = %v leave none of %d examples to train on: lower them", val, test, n)
	}
	// The test part is cut first, so that it stays the same when only the
	// share for validation changes.
	p := Parts{
		Test:  View{s.All, rows[:nTest]},
		Val:   View{s.All, rows[nTest : nTest+nVal]},
		Train: View{s.All, rows[nTest+nVal:]},
	}
	if s.Test != nil {
		p.Test = View{s.Test, seq(s.Test.Len())}
	}
	return p, nil
}

func seq(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// loaders are the known data sets; a new one is a file with a loader and a
// line here.
var loaders = map[string]func(dir string) (*Source, error){
	"digits": func(string) (*Source, error) { return digits() },
	"mnist":  mnist,
}

// Names lists the data sets that [Load] knows, sorted.
func Names() []string {
	var names []string
	for name := range loaders {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Load returns a data set. dir is the folder of its files; digits needs none.
// It reads files once and keeps the last set, so that the runs of one process
// share it. Safe for concurrent use.
func Load(name, dir string) (*Source, error) {
	load, ok := loaders[name]
	if !ok {
		return nil, fmt.Errorf("no data set %q: data.name is one of %s", name, strings.Join(Names(), ", "))
	}
	src, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	return src, nil
}
