package slurm

import "testing"

// What people are told to type ends what they mean, on the cluster where it is.
func TestCancelLine(t *testing.T) {
	for _, x := range []struct {
		pending bool
		ids     []string
		want    string
	}{
		{false, []string{"12"}, "scancel 12"},
		{true, []string{"12", "13"}, "scancel --state=PENDING 12 13"},
		{true, []string{"123;big"}, "scancel --state=PENDING --clusters=big 123"},
		{false, []string{"7;b", "8", "9;b"}, "scancel 8 && scancel --clusters=b 7 9"},
		{false, []string{"1; rm -r x"}, ""},
	} {
		if got := CancelLine(x.pending, x.ids...); got != x.want {
			t.Errorf("CancelLine(%t, %q) = %q, want %q", x.pending, x.ids, got, x.want)
		}
	}
}
