package stat

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
)

// golden holds SciPy's and statsmodels' numbers; testdata/generate.py makes it.
type golden struct {
	Pairs []struct {
		Name             string
		A, B             []float64
		Mean, SD, Median float64
		Quantiles        [][2]float64
		Interval95       [2]float64
		Interval80       [2]float64
		Paired           *[3]float64
		Welch            *[3]float64
		WelchInterval95  *[2]float64 `json:"welch_interval95"`
		Wilcoxon         [2]float64
		SignFlip         float64     `json:"sign_flip"`
		MannWhitney      *[2]float64 `json:"mann_whitney"`
		PSuperior        float64     `json:"p_superior"`
		PSuperiorPaired  float64     `json:"p_superior_paired"`
	}
	Large []struct {
		A, B        []float64
		Wilcoxon    [2]float64
		MannWhitney [2]float64 `json:"mann_whitney"`
	}
	Unequal []struct {
		A, B            []float64
		MannWhitney     [2]float64  `json:"mann_whitney"`
		Welch           *[3]float64 `json:"welch"`
		WelchInterval95 *[2]float64 `json:"welch_interval95"`
	}
	P   []struct{ P, Holm, BH []float64 }
	T   [][3]float64
	BCa []struct {
		X, Boot, Jack   []float64
		Level, Estimate float64
		Interval        [2]float64
	} `json:"bca"`
}

func readGolden(t *testing.T) golden {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Pairs) < 15 || len(g.BCa) < 6 {
		t.Fatalf("golden.json holds %d pairs and %d bootstraps: damaged?", len(g.Pairs), len(g.BCa))
	}
	return g
}

// near fails unless got and want agree to 1e-9, relative where they are large
// and also where they are small: p values far out in the tail count too.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-9*math.Abs(want)+1e-15 {
		t.Errorf("%s = %v, want %v (off by %.2g)", what, got, want, got-want)
	}
}

func TestPairsAgainstSciPy(t *testing.T) {
	for _, c := range readGolden(t).Pairs {
		t.Run(c.Name, func(t *testing.T) {
			s := Describe(c.A)
			near(t, "Mean", s.Mean, c.Mean)
			near(t, "SD", s.SD, c.SD)
			near(t, "Median", s.Median, c.Median)
			for _, q := range c.Quantiles {
				near(t, fmt.Sprintf("Quantile(%v)", q[0]), Quantile(c.A, q[0]), q[1])
			}
			for level, want := range map[float64][2]float64{0.95: c.Interval95, 0.8: c.Interval80} {
				iv, err := MeanInterval(c.A, level)
				if err != nil {
					t.Fatal(err)
				}
				near(t, "MeanInterval.Lo", iv.Lo, want[0])
				near(t, "MeanInterval.Hi", iv.Hi, want[1])
			}
			if c.Paired != nil {
				r, err := PairedT(c.A, c.B)
				checkT(t, r, err, *c.Paired)
			}
			r, err := WelchT(c.A, c.B)
			checkT(t, r, err, *c.Welch)
			iv, err := DiffInterval(c.A, c.B, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "DiffInterval.Lo", iv.Lo, c.WelchInterval95[0])
			near(t, "DiffInterval.Hi", iv.Hi, c.WelchInterval95[1])

			r, err = Wilcoxon(c.A, c.B)
			checkRank(t, r, err, c.Wilcoxon, true)
			r, err = SignFlip(c.A, c.B)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "SignFlip.P", r.P, c.SignFlip)
			if c.MannWhitney != nil {
				r, err = MannWhitney(c.A, c.B)
				checkRank(t, r, err, *c.MannWhitney, true)
			}
			near(t, "PSuperior", PSuperior(c.A, c.B), c.PSuperior)
			near(t, "PairedPSuperior", PairedPSuperior(c.A, c.B), c.PSuperiorPaired)
		})
	}
}

func checkT(t *testing.T, r Test, err error, want [3]float64) {
	t.Helper()
	if err != nil {
		t.Fatal(r.Name, err)
	}
	near(t, r.Name+" statistic", r.Statistic, want[0])
	near(t, r.Name+" df", r.DF, want[1])
	near(t, r.Name+" p", r.P, want[2])
}

func checkRank(t *testing.T, r Test, err error, want [2]float64, exact bool) {
	t.Helper()
	if err != nil {
		t.Fatal(r.Name, err)
	}
	near(t, r.Name+" statistic", r.Statistic, want[0])
	near(t, r.Name+" p", r.P, want[1])
	if r.Exact != exact {
		t.Errorf("%s exact = %v, want %v", r.Name, r.Exact, exact)
	}
}

func TestLargeAgainstSciPy(t *testing.T) {
	for _, c := range readGolden(t).Large {
		exact := len(c.A) <= 200
		r, err := Wilcoxon(c.A, c.B)
		checkRank(t, r, err, c.Wilcoxon, exact)
		r, err = MannWhitney(c.A, c.B)
		checkRank(t, r, err, c.MannWhitney, exact)
	}
}

func TestUnequalSizesAgainstSciPy(t *testing.T) {
	for _, c := range readGolden(t).Unequal {
		r, err := MannWhitney(c.A, c.B)
		checkRank(t, r, err, c.MannWhitney, true)
		if c.Welch == nil {
			if _, err := WelchT(c.A, c.B); !errors.Is(err, ErrTooFew) {
				t.Errorf("WelchT of %d and %d values: error %v, want ErrTooFew", len(c.A), len(c.B), err)
			}
			continue
		}
		r, err = WelchT(c.A, c.B)
		checkT(t, r, err, *c.Welch)
		iv, err := DiffInterval(c.A, c.B, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "DiffInterval.Lo", iv.Lo, c.WelchInterval95[0])
		near(t, "DiffInterval.Hi", iv.Hi, c.WelchInterval95[1])
	}
}

func TestCorrectionsAgainstStatsmodels(t *testing.T) {
	for _, c := range readGolden(t).P {
		holm, bh := Holm(c.P), BenjaminiHochberg(c.P)
		for i := range c.P {
			near(t, fmt.Sprintf("Holm(%v)[%d]", c.P, i), holm[i], c.Holm[i])
			near(t, fmt.Sprintf("BenjaminiHochberg(%v)[%d]", c.P, i), bh[i], c.BH[i])
		}
	}
}

func TestTQuantileAgainstSciPy(t *testing.T) {
	for _, c := range readGolden(t).T {
		near(t, fmt.Sprintf("tQuantile(%v, %v)", c[1], c[0]), tQuantile(c[1], c[0]), c[2])
	}
}

func TestBCaAgainstSciPy(t *testing.T) {
	for i, c := range readGolden(t).BCa {
		iv, err := bcaInterval(c.Estimate, c.Boot, c.Jack, c.Level)
		if err != nil {
			t.Fatal(err)
		}
		near(t, fmt.Sprintf("case %d Lo", i), iv.Lo, c.Interval[0])
		near(t, fmt.Sprintf("case %d Hi", i), iv.Hi, c.Interval[1])
	}
}
