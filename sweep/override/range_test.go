package override

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestRangesCountInDecimal: the second one.
func TestRangesCountInDecimal(t *testing.T) {
	tests := []struct{ in, want string }{
		{"range(0,1,0.1)", "[0.0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9]"},
		{"range(0,2.1,0.7)", "[0.0,0.7,1.4]"},
		{"range(1,0,-0.3)", "[1.0,0.7,0.4,0.1]"},
		{"range(1e-5,5e-5,1e-5)", "[1e-05,2e-05,3e-05,4e-05]"},
		{"range(1e300,3e300,1e300)", "[1e+300,2e+300]"},
		{"range(9007199254740993,9007199254740996)", "[9007199254740993,9007199254740994,9007199254740995]"},
		{"range(9223372036854775806,9223372036854775809)", "[9223372036854775806,9223372036854775807,9223372036854775808]"},
		{"range(-9223372036854775808,9223372036854775807,9223372036854775807)", "[-9223372036854775808,-1,9223372036854775806]"},
		{"sort(range(0,5,2),reverse=true)", "[4,2,0]"},
		{"sort(range(0,1,0.3),reverse=true)", "[0.9,0.6,0.3,0.0]"},
		{"sort(range(5,0,-2))", "[1,3,5]"},
		{"range(true,3)", "[1,2]"},
		{"int(range(0.5,3.5,1.2))", "[0,1,2]"},
		{"range(3,null)", "[0,1,2]"},
	}
	for _, tt := range tests {
		_, s, err := ParseValue(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		vs, err := s.Values(Env{})
		if got := ListValue(vs...).Text(); got != tt.want || err != nil {
			t.Errorf("%s = %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
}

// TestSortedRange: a range turned round ends one step beyond its last value.
func TestSortedRange(t *testing.T) {
	for in, want := range map[string]string{
		"sort(range(1,0,-0.25))":             "range(0.25,1.25,0.25)",
		"sort(range(0,1,0.25),reverse=true)": "range(0.75,-0.25,-0.25)",
		"sort(range(0,1,0.3),reverse=true)":  "range(0.9,-0.3,-0.3)",
		"sort(range(5,0,-1))":                "range(1,6,1)",
		"sort(range(0,1,0.25))":              "range(0,1,0.25)",
	} {
		_, s, err := ParseValue(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := "range(" + s.Start.Text() + "," + s.Stop.Text() + "," + s.Step.Text() + ")"; got != want {
			t.Errorf("%s = %s, want %s", in, got, want)
		}
	}
}

// TestRangeAgainstRationals compares ranges of random decimals, and the same
// ranges sorted the other way, with exact arithmetic.
func TestRangeAgainstRationals(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	decimal := func() string {
		return strconv.FormatFloat(float64(rng.IntN(20001)-10000)/math.Pow10(rng.IntN(5)), 'f', -1, 64)
	}
	for range 1000 {
		exp := []string{"", "", "e-7", "e9", "e-300"}[rng.IntN(5)]
		a, b, c := decimal()+exp, decimal()+exp, decimal()+exp
		start, _ := new(big.Rat).SetString(a)
		stop, _ := new(big.Rat).SetString(b)
		step, _ := new(big.Rat).SetString(c)
		in := "range(" + a + "," + b + "," + c + ")"
		_, s, err := ParseValue(in)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		if step.Sign() == 0 {
			_, err := s.Len(Env{})
			wantError(t, in, err, StageExpand, ClassZeroStep, 0)
			continue
		}
		n, err := s.Len(Env{})
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		if n > 2000 {
			continue
		}
		var want []float64
		for v := start; v.Cmp(stop) == -step.Sign(); v = new(big.Rat).Add(v, step) {
			f, _ := v.Float64()
			want = append(want, f)
		}
		for _, sorts := range []string{"", "sort", "reverse"} {
			expr := in
			if sorts == "sort" || sorts == "reverse" {
				expr = "sort(" + in + ",reverse=" + strconv.FormatBool(sorts == "reverse") + ")"
				slices.Sort(want)
			}
			if sorts == "reverse" {
				slices.Reverse(want)
			}
			_, s, err := ParseValue(expr)
			if err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			vs, err := s.Values(Env{})
			if err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			got := make([]float64, len(vs))
			for i, v := range vs {
				got[i], _ = v.Float()
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s = %v, want %v", expr, got, want)
			}
		}
	}
}

func TestLenDoesNotExpand(t *testing.T) {
	tests := []struct {
		in   string
		want int
	}{
		{"x=range(0,1_000_000_000_000)", 1e12},
		{"x=range(0,1,1e-12)", 1e12},
		{"x=range(0,9223372036854775807)", math.MaxInt64},
		{"x=range(5,5)", 0},
		{"x=range(0,-1)", 0},
		{"x=shuffle(range(0,1_000_000_000_000))", 1e12},
		{"x=a,b,a", 3},
	}
	for _, tt := range tests {
		s := mustParse(t, tt.in).Sweep
		if n, err := s.Len(Env{}); n != tt.want || err != nil {
			t.Errorf("Len(%s) = %d, %v, want %d", tt.in, n, err, tt.want)
		}
		if tt.want > DefaultMax {
			_, err := s.Values(Env{})
			wantError(t, tt.in, err, StageExpand, ClassTooMany, 2+strings.Index(tt.in[2:], "range"))
		}
	}
	for _, tt := range []struct{ in, class string }{
		{"x=range(-9223372036854775808,9223372036854775807)", ClassTooMany},
		{"x=range(0,1e300)", ClassTooMany},
		{"x=range(0,1e308,1e-308)", ClassTooMany},
		{"x=range(0,inf)", ClassNotFinite},
		{"x=range(0,1,nan)", ClassNotFinite},
		{"x=range(0,4,0)", ClassZeroStep},
		{"x=range(4,0,0.0)", ClassZeroStep},
		{"x=interval(0,1)", ClassNoList},
		{"x=glob(*)", ClassNoList},
	} {
		_, err := mustParse(t, tt.in).Sweep.Len(Env{})
		wantError(t, tt.in, err, StageExpand, tt.class, 2)
	}
	_, err := mustParse(t, "x=1,2,3").Sweep.Values(Env{Max: 2})
	wantError(t, "Max 2", err, StageExpand, ClassTooMany, 2)
}
