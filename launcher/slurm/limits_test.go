package slurm

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a cluster said is believed for a day, and as long as its configuration is
// the same.
func TestRememberedConfig(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "slurm.conf")
	write := func(text string) {
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("MaxArraySize=1001\n")
	t.Setenv("SLURM_CONF", conf)
	s := &Slurm{opt: Options{StateDir: t.TempDir()}}
	state := filepath.Join(s.opt.StateDir, "slurm")
	s.opt.StateDir = state
	both := func(want bool, when string) {
		t.Helper()
		if l, ok := s.remembered(); ok != want || ok && l.MaxArray != 1001 {
			t.Errorf("%s: limits %+v, remembered %v, want %v", when, l, ok, want)
		}
		if ps, ok := RememberedPartitions(state, ""); ok != want || ok && len(ps) != 1 {
			t.Errorf("%s: partitions %+v, remembered %v, want %v", when, ps, ok, want)
		}
	}
	save := func(asked time.Time) {
		s.remember(limits{MaxArray: 1001, Conf: confNow(), Asked: asked})
		rememberPartitions(state, "", []Partition{{Name: "main"}})
	}
	both(false, "before it was asked")
	save(time.Now())
	both(true, "just asked")
	write("MaxArraySize=11\n# another size\n")
	both(false, "after a change of slurm.conf")
	save(time.Now())
	os.Chtimes(conf, time.Time{}, time.Now().Add(-time.Hour))
	both(false, "after a change of its time")
	save(time.Now().Add(-fresh - time.Minute))
	if _, ok := s.remembered(); ok {
		t.Error("limits are believed for more than a day")
	}
	save(time.Now())
	t.Setenv("SLURM_CONF", conf+".other")
	both(false, "with another SLURM_CONF")
	save(time.Now())
	both(true, "asked without a file")
	s.forget()
	if _, ok := s.remembered(); ok {
		t.Error("limits are remembered after a refusal")
	}
}

// Whoever was told of the queue by another process's memory has not called Jobs,
// and must not size arrays by Slurm's default.
func TestBoundsAsk(t *testing.T) {
	bin := t.TempDir()
	for name, text := range map[string]string{"sbatch": "exit 1", "scontrol": "echo 'MaxArraySize            = 3'"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(Options{Bin: bin, StateDir: filepath.Join(t.TempDir(), "slurm")})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if job, _ := s.Bounds(); job != 3 || s.Calls() != 1 {
			t.Fatalf("Bounds = %d workers a job after %d calls, want 3 after one", job, s.Calls())
		}
	}
}
