package stat

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var nan, inf = math.NaN(), math.Inf(1)

func TestDescribeCountsWhatIsNotFinite(t *testing.T) {
	s := Describe([]float64{1, nan, 3, inf, -inf, nan})
	if s.N != 2 || s.NaN != 2 || s.Inf != 2 || s.Mean != 2 || s.Median != 2 || s.Min != 1 || s.Max != 3 {
		t.Errorf("Describe = %+v, want n 2, 2 NaN, 2 Inf, mean 2, from 1 to 3", s)
	}
	if s := Describe([]float64{nan}); s.N != 0 || s.NaN != 1 || !math.IsNaN(s.Mean) || !math.IsNaN(s.Min) {
		t.Errorf("Describe of one NaN = %+v, want no numbers", s)
	}
}

func TestOneValueHasNoSpread(t *testing.T) {
	if s := Describe([]float64{0.5}); s.N != 1 || s.Mean != 0.5 || !math.IsNaN(s.SD) {
		t.Errorf("Describe of one value = %+v, want mean 0.5 and no standard deviation", s)
	}
	for _, x := range [][]float64{nil, {0.5}, {0.5, nan}, {nan, inf}} {
		if iv, err := MeanInterval(x, 0.95); !errors.Is(err, ErrTooFew) {
			t.Errorf("MeanInterval(%v) = %v, %v, want ErrTooFew", x, iv, err)
		}
		if iv, err := (Bootstrap{}).BCa(x, Mean); !errors.Is(err, ErrTooFew) {
			t.Errorf("BCa(%v) = %v, %v, want ErrTooFew", x, iv, err)
		}
	}
	if _, err := PairedT([]float64{1}, []float64{2}); !errors.Is(err, ErrTooFew) {
		t.Errorf("PairedT of one pair: error %v, want ErrTooFew", err)
	}
	if _, err := Wilcoxon(nil, nil); !errors.Is(err, ErrTooFew) {
		t.Errorf("Wilcoxon of nothing: error %v, want ErrTooFew", err)
	}
	if _, err := SignFlip(nil, nil); !errors.Is(err, ErrTooFew) {
		t.Errorf("SignFlip of nothing: error %v, want ErrTooFew", err)
	}
}

func TestEqualDifferencesAreNoCertainty(t *testing.T) {
	// 0.93-0.92, 0.3-0.29 and 0.05-0.04 are all 0.01, but not as float64.
	a, b := []float64{0.93, 0.3, 0.05}, []float64{0.92, 0.29, 0.04}
	if d := Diff(a, b); d[0] == d[1] && d[1] == d[2] {
		t.Fatal("the case no longer shows rounding")
	}
	if r, err := PairedT(a, b); !errors.Is(err, ErrNoSpread) {
		t.Errorf("PairedT of equal differences = %+v, %v, want ErrNoSpread", r, err)
	}
	r, err := Wilcoxon([]float64{0.93, 0.3, 0.04}, []float64{0.92, 0.29, 0.05})
	if err != nil || r.Statistic != 2 || r.P != 1 { // ranks 2, 2, 2; 4 of the 8 outcomes are at most 2
		t.Errorf("Wilcoxon of tied sizes = %+v, %v, want statistic 2, p 1", r, err)
	}
	if r, err := WelchT([]float64{1, 1}, []float64{2, 2}); !errors.Is(err, ErrNoSpread) {
		t.Errorf("WelchT without scatter = %+v, %v, want ErrNoSpread", r, err)
	}
	if r, err := Wilcoxon([]float64{1, 2}, []float64{1, 2}); err != nil || r.P != 1 || r.Zeros != 2 {
		t.Errorf("Wilcoxon of equal pairs = %+v, %v, want p 1 and 2 zeros", r, err)
	}
}

func TestNotFinitePairsAreExcludedAndCounted(t *testing.T) {
	a, b := []float64{1, nan, 3, 4, inf}, []float64{0, 1, 1, nan, inf}
	want := []float64{1, 2}
	for name, test := range map[string]func(a, b []float64) (Test, error){"PairedT": PairedT, "Wilcoxon": Wilcoxon, "SignFlip": SignFlip} {
		r, err := test(a, b)
		ref, _ := test(want, []float64{0, 0})
		if err != nil || r.Excluded != 3 || r.N != 2 || r.P != ref.P {
			t.Errorf("%s = %+v, %v, want n 2, 3 excluded, p %v", name, r, err, ref.P)
		}
	}
	for name, test := range map[string]func(a, b []float64) (Test, error){"WelchT": WelchT, "MannWhitney": MannWhitney} {
		r, err := test(a, b)
		if err != nil || r.Excluded != 4 || r.N != 3 || r.M != 3 {
			t.Errorf("%s = %+v, %v, want n 3, m 3, 4 excluded", name, r, err)
		}
	}
	adjusted := Holm([]float64{0.01, nan, 0.02})
	if adjusted[0] != 0.02 || !math.IsNaN(adjusted[1]) || adjusted[2] != 0.02 {
		t.Errorf("Holm with NaN = %v, want 0.02 NaN 0.02", adjusted)
	}
}

func TestFloors(t *testing.T) {
	up := []float64{1, 2, 4, 8, 16, 32}
	for n := 1; n <= 6; n++ {
		zero := make([]float64, n)
		w, _ := Wilcoxon(up[:n], zero)
		f, _ := SignFlip(up[:n], zero)
		if want := math.Min(1, 2/math.Pow(2, float64(n))); w.P != want || f.P != want || SmallestP(n) != want || w.Floor != want {
			t.Errorf("n %d, all differences positive: Wilcoxon p %v, SignFlip p %v, floor %v, want %v", n, w.P, f.P, w.Floor, want)
		}
		m, _ := MannWhitney(up[:n], []float64{-1, -2, -3})
		if got := SmallestUnpairedP(n, 3); math.Abs(got-m.P) > 1e-15 {
			t.Errorf("SmallestUnpairedP(%d, 3) = %v, MannWhitney reaches %v", n, got, m.P)
		}
	}
	for _, c := range []struct {
		alpha       float64
		comparisons int
		want        int
	}{{0.05, 1, 6}, {0.05, 3, 7}, {0.05, 5, 8}, {0.01, 1, 8}, {0.0625, 1, 5}} {
		if got, err := PairsNeeded(c.alpha, c.comparisons); got != c.want || err != nil {
			t.Errorf("PairsNeeded(%v, %d) = %d, %v, want %d", c.alpha, c.comparisons, got, err, c.want)
		}
	}
	if _, err := PairsNeeded(0, 1); err == nil {
		t.Error("PairsNeeded(0, 1) returned no error")
	}
}

// Counting by meeting in the middle must agree with plain counting also where
// many sums coincide.
func TestSignFlipMeetsInTheMiddle(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for n := 1; n <= 14; n++ {
		d := make([]float64, n)
		for i := range d {
			d[i] = float64(rng.IntN(7)-3) / 10
		}
		var sum float64
		for _, x := range d {
			sum += x
		}
		hits := 0
		for mask := range 1 << n {
			var s float64
			for i, x := range d {
				if mask>>i&1 == 1 {
					x = -x
				}
				s += x
			}
			if math.Abs(s) >= math.Abs(sum)-1e-9 {
				hits++
			}
		}
		r, err := SignFlip(d, make([]float64, n))
		if want := float64(hits) / math.Pow(2, float64(n)); err != nil || math.Abs(r.P-want) > 1e-12 {
			t.Errorf("SignFlip(%v) p = %v, %v, want %v", d, r.P, err, want)
		}
	}
}

// With many pairs the random flips, the exact count and the t test agree to the
// accuracy of 199,999 samples.
func TestSignFlipBeyondExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	d := make([]float64, flipExact+1)
	for i := range d {
		d[i] = rng.NormFloat64() + 0.25
	}
	zero := make([]float64, len(d))
	r, err := SignFlip(d, zero)
	if err != nil || r.Exact {
		t.Fatalf("SignFlip of %d pairs = %+v, %v, want a sampled p", len(d), r, err)
	}
	ref, _ := PairedT(d, zero)
	if math.Abs(r.P-ref.P) > 0.01 || r.P == 0 {
		t.Errorf("sampled p = %v, paired t says %v", r.P, ref.P)
	}
	again, _ := SignFlip(d, zero)
	if again != r && !(math.IsNaN(again.DF) && again.P == r.P) {
		t.Errorf("second call gave p %v, first %v", again.P, r.P)
	}
}

// The t interval of normal samples covers the mean at the stated rate; the
// bootstrap's does not at n = 5, which is why it is not the default. 4,000
// repetitions have a standard error of 0.0034 at 0.95: four of them allowed.
func TestCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(42, 1))
	for _, c := range []struct {
		n     int
		level float64
	}{{2, 0.95}, {3, 0.95}, {5, 0.95}, {10, 0.8}} {
		const repetitions = 4000
		hits := 0
		for range repetitions {
			x := make([]float64, c.n)
			for i := range x {
				x[i] = 3 + 2*rng.NormFloat64()
			}
			iv, err := MeanInterval(x, c.level)
			if err != nil {
				t.Fatal(err)
			}
			if iv.Contains(3) {
				hits++
			}
		}
		got := float64(hits) / repetitions
		if tolerance := 4 * math.Sqrt(c.level*(1-c.level)/repetitions); math.Abs(got-c.level) > tolerance {
			t.Errorf("n %d: %v of the %v intervals cover, tolerance %.4f", c.n, got, c.level, tolerance)
		}
	}
	hits := 0
	for i := range 400 {
		x := make([]float64, 5)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		iv, err := Bootstrap{Resamples: 499, Seed: uint64(i)}.BCa(x, Mean)
		if err == nil && iv.Contains(0) {
			hits++
		}
	}
	if got := float64(hits) / 400; got < 0.76 || got > 0.90 { // 0.83 ± 4 standard errors
		t.Errorf("BCa at n = 5 covers %v, want about 0.83", got)
	}
}

func TestBCaIsReproducibleAndOrdered(t *testing.T) {
	x := []float64{0.3, 0.5, 0.1, 0.9, 0.4, 0.7, 0.2, 0.8}
	o := Bootstrap{Resamples: 999, Seed: 5, Level: 0.9}
	a, err := o.BCa(x, Median)
	b, _ := o.BCa(x, Median)
	if err != nil || a != b || !(a.Lo < a.Hi) || !a.Contains(Median(x)) {
		t.Errorf("BCa = %v and %v, %v", a, b, err)
	}
	if _, err := o.BCa([]float64{2, 2, 2}, Mean); !errors.Is(err, ErrNoSpread) {
		t.Errorf("BCa of equal values: error %v, want ErrNoSpread", err)
	}
}

func TestBadArguments(t *testing.T) {
	for _, level := range []float64{0, 1, 95, -1, nan} {
		if _, err := MeanInterval([]float64{1, 2}, level); err == nil {
			t.Errorf("MeanInterval at level %v: no error", level)
		}
	}
	for _, c := range []struct {
		x []float64
		p float64
	}{{nil, 0.5}, {[]float64{1, nan}, 0.5}, {[]float64{1}, 1.5}, {[]float64{1}, nan}} {
		if q := Quantile(c.x, c.p); !math.IsNaN(q) {
			t.Errorf("Quantile(%v, %v) = %v, want NaN", c.x, c.p, q)
		}
	}
	if p := PSuperior([]float64{nan}, []float64{1}); !math.IsNaN(p) {
		t.Errorf("PSuperior of nothing = %v, want NaN", p)
	}
}

// Every test must be blind to the order of the samples and symmetric in them,
// must stay inside [Floor, 1], and must leave its arguments alone.
func FuzzTests(f *testing.F) {
	f.Add(uint64(1), uint8(5), uint8(3))
	f.Add(uint64(2), uint8(1), uint8(1))
	f.Add(uint64(9), uint8(45), uint8(200))
	f.Fuzz(func(t *testing.T, seed uint64, size, grid uint8) {
		n := int(size)%60 + 1
		rng := rand.New(rand.NewPCG(seed, 0))
		a, b := make([]float64, n), make([]float64, n)
		for i := range a {
			a[i] = math.Floor(rng.NormFloat64() * (float64(grid) + 1) / 4)
			b[i] = math.Floor(rng.NormFloat64() * (float64(grid) + 1) / 4)
		}
		keepA, keepB := slices.Clone(a), slices.Clone(b)
		for name, test := range map[string]func(a, b []float64) (Test, error){"PairedT": PairedT, "WelchT": WelchT, "Wilcoxon": Wilcoxon, "MannWhitney": MannWhitney, "SignFlip": SignFlip} {
			x, errX := test(a, b)
			y, errY := test(b, a)
			if (errX == nil) != (errY == nil) {
				t.Fatalf("%s: errors %v and %v after exchange", name, errX, errY)
			}
			if errX != nil {
				continue
			}
			if !(x.P >= x.Floor*(1-1e-9) || x.Zeros > 0) || !(x.P >= 0 && x.P <= 1) {
				t.Errorf("%s p = %v, floor %v", name, x.P, x.Floor)
			}
			if math.Abs(x.P-y.P) > 1e-9 {
				t.Errorf("%s p = %v, after exchange %v", name, x.P, y.P)
			}
		}
		if !slices.Equal(a, keepA) || !slices.Equal(b, keepB) {
			t.Error("a test changed its arguments")
		}
	})
}
