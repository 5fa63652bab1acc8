// Package data holds the data sets that the built-in trainers learn from.
//
// A [Source] is a data set as it comes: examples, and its own test examples
// where the authors fixed some. [Source.Split] cuts it into the three parts
// of a run, by a random stream that the run's seed decides:
//
//	src, err := data.Load(data.Spec{Name: "digits"})
//	parts, err := src.Split(rng, 0.1, 0.2)   // a tenth to validate, a fifth to test
//	parts.Train.Row(x, 0)                    // x is now the first training image, scaled to 0..1
//
// "digits" (1,797 images of 8x8) is part of the program. "mnist" (60,000 +
// 10,000 images of 28x28) is read from the four IDX files that its authors
// published, gzipped or not, which users bring themselves. "idx" is any set in that form, such as
// Fashion-MNIST, or of other numbers than bytes, and "csv" a table with a header, one of whose columns is what
// to predict: a class or a number.
//
// Pixels stay bytes in memory and become float32 when a row is copied into a
// batch: a quarter of the memory, and one loaded set serves all runs of a
// process at once, since nothing ever changes it. What depends on the split,
// such as the mean of the training examples, belongs to the views; see
// [Parts.Normalize].
package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
)

// Set is a set of examples with what is to be predicted of each, unchangeable
// and safe for concurrent use.
type Set struct {
	Shape   []int    // of one example: rows and columns of an image, and its channels; or features
	Classes int      // labels are 0..Classes-1; 0 if numbers are to be predicted
	Names   []string // of the classes

	pixels []byte       // [Len, Features], row major; or
	values []float32    // the same of what are no bytes
	levels [256]float32 // what a pixel's byte becomes

	labels  []byte    // [Len]; or
	targets []float32 // [Len], the numbers
}

// maxClasses is what a label of one byte can tell apart.
const maxClasses = 256

// numbered returns the names 0..n-1.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}

// newImages checks the parts of a set of images, which are bytes or numbers.
// white is the byte that becomes 1; numbers stay as they are.
func newImages(shape []int, classes, white int, pixels []byte, numbers []float32, labels []byte) (*Set, error) {
	s := &Set{Shape: shape, Classes: classes, Names: numbered(classes), pixels: pixels, values: numbers, labels: labels}
	if got, want := max(len(pixels), len(numbers)), len(labels)*s.Features(); got != want {
		return nil, fmt.Errorf("%d labels need %d pixels, got %d", len(labels), want, got)
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
func (s *Set) Len() int { return max(len(s.labels), len(s.targets)) }

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

	scale *scaling // nil: as the set has them
}

// Len returns the number of examples of the view.
func (v View) Len() int { return len(v.Rows) }

// Row copies example i into dst, which has [Set.Features] elements: pixels
// scaled to 0..1, other values as they are, unless [Parts.Normalize] said
// otherwise.
func (v View) Row(dst []float32, i int) {
	n := len(dst)
	from := v.Rows[i] * n
	if v.pixels != nil {
		levels := &v.levels
		if v.scale != nil {
			levels = &v.scale.levels
		}
		for j, b := range v.pixels[from:][:n] {
			dst[j] = levels[b]
		}
		return
	}
	copy(dst, v.values[from:from+n])
	if v.scale != nil {
		for j := range dst {
			dst[j] = (dst[j] - v.scale.mean[j]) * v.scale.factor[j]
		}
	}
}

// Label returns the class of example i of a set with classes.
func (v View) Label(i int) int { return int(v.labels[v.Rows[i]]) }

// Target returns the number to predict for example i of a set without classes.
func (v View) Target(i int) float64 { return float64(v.targets[v.Rows[i]]) }

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
		Test:  View{Set: s.All, Rows: rows[:nTest]},
		Val:   View{Set: s.All, Rows: rows[nTest : nTest+nVal]},
		Train: View{Set: s.All, Rows: rows[nTest+nVal:]},
	}
	if s.Test != nil {
		p.Test = View{Set: s.Test, Rows: seq(s.Test.Len())}
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
