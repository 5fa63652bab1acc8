//go:build linux

package faults

import (
	"testing"

	"orch/sweep/results"
)

// The independent reader counts as orch does in a sweep with every kind of
// history: failures, cancels, retries, runs that were dropped, added and run anew.
func TestRecount(t *testing.T) {
	r := newRig(t, 0)
	file := func(sweep string) {
		r.write("s.toml", `name = "s"
[task]
command = ["sh", "-c", "case {seed} in 1) exit 3;; 2) true;; 3) sleep 600;; 4) kill -9 $$;; esac; echo acc=$(date +%s%N)"]
[task.metrics]
acc = 'acc=([0-9]+)'
[launcher]
name = "joblib"
n_jobs = 2
`+sweep)
	}
	submit := func(want int, args ...string) {
		t.Helper()
		if _, stderr, code := r.run(r.command(append([]string{"submit", "s.toml"}, args...)...)); code != want {
			t.Fatalf("submit ends with code %d, want %d:\n%s", code, want, stderr)
		}
		r.recount()
	}
	// Only what must run out of time has little of it: others may be slow.
	file("[[sweep]]\nseed = [0, 1, 2, 4]\n[[sweep]]\nseed = 3\n\"task.timeout\" = \"1s\"")
	submit(3)
	classes := map[results.Class]int{}
	for _, st := range r.states() {
		if st.End != nil {
			classes[st.End.Class]++
		}
	}
	if classes[results.Done] != 2 || classes[results.Failed] != 2 || classes[results.Timeout] != 1 {
		t.Errorf("classes %v, want 2 done, 2 failed, 1 timeout", classes)
	}
	if _, stderr, code := r.run(r.command("retry", "s")); code != 0 {
		t.Fatal(stderr)
	}
	r.recount()
	submit(3)
	file("[sweep]\nseed = [0, 2, 5]") // two are dropped, one joins
	submit(0)
	for range 2 { // the result of a rerun is void after the next one
		submit(0, "--rerun")
	}
	if out, stderr, code := r.run(r.command("fsck")); code != 0 {
		t.Errorf("fsck ends with code %d:\n%s%s", code, out, stderr)
	}
	r.alone()
	survived(t, "histories of every kind", 5, "counted alike by orch and by a reader in another language")
}
