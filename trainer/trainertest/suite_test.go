package trainertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
)

// walk is the smallest honest trainer: it sums random numbers. fault names
// the one promise that it breaks, so that the suite can be seen to notice.
type walk struct{ fault string }

type walkParams struct {
	Seed  int64 `param:"seed"`
	Steps int   `param:"steps,min=1"`
}

type walkState struct {
	N   int
	Sum float64
	RNG []byte
}

// shared is what the racy fault adds up between runs.
var shared atomic.Int64

func (w walk) Name() string { return "walk" }

func (w walk) Check(config override.Value) []error {
	errs := trainer.Decode(config, &walkParams{})
	if w.fault == "Check" && len(errs) > 0 {
		return []error{errors.New("something is wrong")}
	}
	return errs
}

func (w walk) Train(ctx context.Context, r *trainer.Run) error {
	var p walkParams
	if errs := trainer.Decode(r.Config, &p); len(errs) > 0 {
		return errors.Join(errs...)
	}
	pcg := rand.NewPCG(uint64(p.Seed), 0)
	switch w.fault {
	case "SameSeedSameBits":
		pcg = rand.NewPCG(rand.Uint64(), 0)
	case "OtherSeedDiffers":
		pcg = rand.NewPCG(0, 0)
	case "ConcurrentEqualsSerial":
		pcg = rand.NewPCG(uint64(p.Seed), uint64(shared.Add(1)-1)/2)
	case "StaysInItsFolder":
		os.WriteFile(filepath.Join(r.Workdir, "litter"), nil, 0o600)
	}
	s := walkState{}
	if r.Resume != "" && w.fault != "ResumeEqualsUninterrupted" {
		b, err := os.ReadFile(filepath.Join(r.Resume, "state"))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		pcg.UnmarshalBinary(s.RNG)
	}
	for s.N < p.Steps {
		select {
		case <-ctx.Done():
			if w.fault != "ContextObeyed" {
				return ctx.Err()
			}
			return nil
		case <-r.Stop:
			if w.fault == "StopObeyed" {
				return errors.New("going")
			}
			s.RNG, _ = pcg.MarshalBinary()
			b, _ := json.Marshal(s)
			if err := os.WriteFile(filepath.Join(r.Dir, "state"), b, 0o600); err != nil {
				return err
			}
			r.Metrics.Checkpoint(int64(s.N), "state")
			return &trainer.Failure{Class: results.Preempted}
		default:
		}
		s.N++
		s.Sum += rand.New(pcg).Float64()
		if s.N%5 == 0 && s.N < 1000 {
			r.Metrics.Log(int64(s.N), "sum", s.Sum)
		}
	}
	mean := s.Sum / float64(s.N)
	switch w.fault {
	case "Score":
		mean -= 1
	case "Finite":
		r.Metrics.Result("extra", math.NaN())
	}
	r.Metrics.Result("mean", mean)
	return nil
}

func walkSuite(fault string) Suite {
	config := func(steps int64) override.Value {
		return override.MapValue().Set("seed", override.IntValue(1)).Set("steps", override.IntValue(steps))
	}
	return Suite{
		New:     func() trainer.Trainer { return walk{fault} },
		Config:  config(100),
		Endless: config(math.MaxInt64),
		Score:   "mean", AtLeast: 0.3,
		Bad: []override.Field{
			{Key: override.StringValue("steps"), Val: override.IntValue(0)},
			{Key: override.StringValue("step"), Val: override.IntValue(5)},
		},
	}
}

func TestHonest(t *testing.T) { Run(t, walkSuite("")) }

// TestFault runs in a process of its own, where it should fail.
func TestFault(t *testing.T) {
	fault := os.Getenv("TRAINERTEST_FAULT")
	if fault == "" {
		t.Skip("runs as a child of TestFaultsAreNoticed")
	}
	Run(t, walkSuite(fault))
}

// TestFaultsAreNoticed breaks one promise at a time: the test of that promise
// must fail.
func TestFaultsAreNoticed(t *testing.T) {
	for _, fault := range []string{"Check", "Score", "Finite", "SameSeedSameBits", "OtherSeedDiffers", "ConcurrentEqualsSerial",
		"ResumeEqualsUninterrupted", "StopObeyed", "ContextObeyed", "StaysInItsFolder"} {
		t.Run(fault, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestFault$", "-test.v")
			cmd.Env = append(os.Environ(), "TRAINERTEST_FAULT="+fault)
			out, err := cmd.CombinedOutput()
			if want := fmt.Sprintf("--- FAIL: TestFault/%s ", fault); err == nil || !strings.Contains(string(out), want) {
				t.Errorf("the suite did not fail with %q: %v\n%s", want, err, out)
			}
		})
	}
}
