package nn

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	G "gorgonia.org/gorgonia"

	"orch/trainer/data"
)

// classify tells classes apart: softmax cross entropy, scored by accuracy, the
// share of examples whose class has the largest output, and f1.
type classify struct{ classes int }

func (c classify) outputs() int { return c.classes }

func (c classify) target(y []float32, v data.View, i int) {
	clear(y)
	y[v.Label(i)] = 1
}

func (c classify) loss(b *builder, out, y *G.Node) (*G.Node, error) {
	return b.loss("crossentropy", crossEntropy, out, y)
}

func (c classify) tally() tally {
	return &confusion{classes: c.classes, counts: make([]int, c.classes*c.classes)}
}

// confusion counts how often which class was taken for which.
type confusion struct {
	classes int
	counts  []int // [true class, predicted class]
	sum     float64
	n, nan  int
}

func (c *confusion) add(out []float32, v data.View, i int) {
	best, label := 0, v.Label(i)
	for j, z := range out {
		if z > out[best] { // a tie goes to the lower class
			best = j
		}
	}
	top, logSum := logSumExp(out)
	loss := logSum - float64(out[label]-top)
	c.sum += loss
	c.n++
	if math.IsNaN(loss) {
		c.nan++ // counts as wrong, as no class
		return
	}
	c.counts[label*c.classes+best]++
}

func (c *confusion) measures() []measure {
	right, f1, classes := 0, 0.0, 0
	for k := range c.classes {
		right += c.counts[k*c.classes+k]
		if s := c.of(k); s.support+s.predicted > 0 {
			f1 += s.f1
			classes++
		}
	}
	return []measure{
		{"loss", c.sum / float64(c.n)},
		{"accuracy", float64(right) / float64(c.n)},
		{"f1", f1 / float64(max(classes, 1))},
	}
}

// classScore says how well one class is told from the others.
type classScore struct {
	support, predicted    int // examples of the class, and taken for it
	precision, recall, f1 float64
}

// of returns the scores of a class. A share of nothing is 0.
func (c *confusion) of(class int) classScore {
	var s classScore
	for k := range c.classes {
		s.support += c.counts[class*c.classes+k]
		s.predicted += c.counts[k*c.classes+class]
	}
	right := float64(c.counts[class*c.classes+class])
	if s.predicted > 0 {
		s.precision = right / float64(s.predicted)
	}
	if s.support > 0 {
		s.recall = right / float64(s.support)
	}
	if n := s.support + s.predicted; n > 0 {
		s.f1 = 2 * right / float64(n)
	}
	return s
}

// write writes the confusion matrix with the scores of each class as CSV.
func (c *confusion) write(w io.Writer, names []string) error {
	out := csv.NewWriter(w)
	header := []string{"class", "examples", "precision", "recall", "f1"}
	for _, name := range names {
		header = append(header, "taken for "+name)
	}
	out.Write(header) // errors are kept for Error
	for k, name := range names {
		s := c.of(k)
		row := []string{name, strconv.Itoa(s.support)}
		for _, x := range []float64{s.precision, s.recall, s.f1} {
			row = append(row, fmt.Sprintf("%.6g", x))
		}
		for j := range c.classes {
			row = append(row, strconv.Itoa(c.counts[k*c.classes+j]))
		}
		out.Write(row)
	}
	out.Flush()
	return out.Error()
}
