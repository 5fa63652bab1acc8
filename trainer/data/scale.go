package data

import "math"

// scaling is how a view changes the values of its set.
type scaling struct {
	levels       [256]float32 // of pixels
	mean, factor []float32    // of each feature of other sets
}

// Normalize makes all three views give features with mean 0 and standard
// deviation 1 over the training examples: each feature by itself, but all
// pixels of images together, since a pixel's place means nothing by itself. A
// feature that never changes becomes 0.
func (p *Parts) Normalize() {
	t := p.Train
	s := new(scaling)
	if t.pixels != nil {
		var counts [256]float64
		n := t.Features()
		for _, r := range t.Rows {
			for _, b := range t.pixels[r*n : (r+1)*n] {
				counts[b]++
			}
		}
		var m moments
		for b, count := range counts {
			m.add(float64(t.levels[b]), count)
		}
		mean, factor := m.standard()
		for b, level := range t.levels {
			s.levels[b] = float32((float64(level) - mean) * factor)
		}
	} else {
		n := t.Features()
		all := make([]moments, n)
		for _, r := range t.Rows {
			for j, x := range t.values[r*n : (r+1)*n] {
				all[j].add(float64(x), 1)
			}
		}
		for j := range all {
			mean, factor := all[j].standard()
			s.mean, s.factor = append(s.mean, float32(mean)), append(s.factor, float32(factor))
		}
	}
	p.Train.scale, p.Val.scale, p.Test.scale = s, s, s
}

// Moments returns mean and standard deviation of the numbers to predict.
func (v View) Moments() (mean, deviation float64) {
	var m moments
	for i := range v.Len() {
		m.add(v.Target(i), 1)
	}
	mean, factor := m.standard()
	if factor == 0 {
		return mean, 0
	}
	return mean, 1 / factor
}

// moments sums up numbers in one pass (West 1979, CACM 22:9).
type moments struct{ weight, mean, squares float64 }

func (m *moments) add(x, weight float64) {
	if weight == 0 {
		return
	}
	m.weight += weight
	d := x - m.mean
	m.mean += d * weight / m.weight
	m.squares += weight * d * (x - m.mean)
}

// standard returns the mean and 1 / standard deviation, 0 if that is 0.
func (m *moments) standard() (mean, factor float64) {
	if m.squares <= 0 {
		return m.mean, 0
	}
	return m.mean, 1 / math.Sqrt(m.squares/m.weight)
}
