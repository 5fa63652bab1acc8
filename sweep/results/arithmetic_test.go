package results

import "testing"

func TestArithmetic(t *testing.T) {
	of := func(names ...string) *RunState {
		st := &RunState{Counted: len(names) - 1}
		for _, n := range names {
			a := AttemptState{}
			if n != "-" { // a claim that cannot be read
				a.Holder = &Holder{Arithmetic: n}
			}
			st.Attempts = append(st.Attempts, a)
		}
		return st
	}
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"-"}, ""},
		{[]string{"fma/amd64"}, "fma/amd64"},
		{[]string{"fma/amd64", "fma/amd64"}, "fma/amd64"},
		{[]string{"fma/amd64", "-", "gonum/amd64", "fma/amd64"}, "fma/amd64 then gonum/amd64 then fma/amd64"},
	} {
		if got := of(tt.names...).Arithmetic(); got != tt.want {
			t.Errorf("Arithmetic of attempts by %q = %q, want %q", tt.names, got, tt.want)
		}
	}
	st := of("fma/amd64", "gonum/amd64")
	st.Counted = 0 // a later attempt's end came too late
	if got := st.Arithmetic(); got != "fma/amd64" {
		t.Errorf("Arithmetic = %q, want that of the counted attempt", got)
	}
}
