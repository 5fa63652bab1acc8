package results

import (
	"strings"
	"testing"

	"orch/sweep/override"
)

func TestAlike(t *testing.T) {
	for _, pair := range [][2]string{
		{"File /home/a/x.py, line 12", "file /tmp/b/y.py, line 3071"},
		{"CUDA error at 0x7f3a9c00 (step 17)", "CUDA error at 0x55d0fe10 (step 4)"},
		{"worker 9f3ac1d2 lost", "worker 00aa11bb lost"},
		{"loss 3.25 is too large", "loss 4.5 is too large"},
	} {
		if a, b := Alike(pair[0]), Alike(pair[1]); a != b {
			t.Errorf("Alike(%q) = %q, Alike(%q) = %q; want them equal", pair[0], a, pair[1], b)
		}
	}
	for _, pair := range [][2]string{{"no module named torch", "no module named jax"}, {"exit 1: killed", "exit 1: out of memory"}} {
		if a, b := Alike(pair[0]), Alike(pair[1]); a == b {
			t.Errorf("Alike(%q) = Alike(%q) = %q; want them to differ", pair[0], pair[1], a)
		}
	}
}

func TestParseRetryPolicy(t *testing.T) {
	table := func(key string, v override.Value) override.Value {
		return override.MapValue(override.Field{Key: override.QuotedValue(key), Val: v})
	}
	if p, errs := ParseRetryPolicy(override.NullValue()); p != DefaultRetryPolicy() || errs != nil {
		t.Errorf("without a table: %+v, %v", p, errs)
	}
	if p, errs := ParseRetryPolicy(table("failed", override.IntValue(3))); p.Failed != 3 || p.Lost != 5 || errs != nil {
		t.Errorf("failed = 3: %+v, %v", p, errs)
	}
	for _, c := range []struct {
		v    override.Value
		want string
	}{
		{table("faild", override.IntValue(1)), `retry.faild: unknown key (did you mean "failed"?)`},
		{table("failed", override.IntValue(-1)), "retry.failed: is -1"},
		{table("failed", override.QuotedValue("x")), "retry.failed: is x"},
		{table("memory_factor", override.FloatValue(0.5)), "retry.memory_factor: is 0.5"},
		{table("lost", override.IntValue(0)), "retry.lost: is 0"},
		{override.IntValue(1), "retry: is a int"},
	} {
		if _, errs := ParseRetryPolicy(c.v); len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), c.want) {
			t.Errorf("ParseRetryPolicy(%s) = %v, want %q", c.v.Text(), errs, c.want)
		}
	}
}
