//go:build unix

package command

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"orch/sweep/override"
	"orch/trainer"
	"orch/trainer/trainertest"
)

func init() { acts["walk"] = actWalk }

// actWalk is a program as users write them: a random walk of so many steps
// that logs where it is, and saves itself when it is asked to leave.
func actWalk() {
	steps, _ := strconv.Atoi(os.Args[1])
	seed, _ := strconv.ParseUint(os.Getenv("ORCH_SEED"), 10, 64)
	leave := make(chan os.Signal, 1)
	signal.Notify(leave, syscall.SIGTERM)
	step, at := 0, 0.0
	if dir := os.Getenv("ORCH_RESUME"); dir != "" {
		b, err := os.ReadFile(filepath.Join(dir, "walk"))
		if err == nil {
			_, err = fmt.Sscan(string(b), &step, &at)
		}
		if err != nil {
			panic(err)
		}
	}
	rows, err := os.OpenFile(os.Getenv("ORCH_METRICS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	for fmt.Println("begin"); step < steps; {
		select {
		case <-leave:
			file := filepath.Join(os.Getenv("ORCH_CKPT_DIR"), "walk")
			if err := os.WriteFile(file, fmt.Append(nil, step, " ", at), 0o600); err != nil {
				panic(err)
			}
			fmt.Fprintf(rows, "{\"step\":%d,\"checkpoint\":%q}\n", step, file)
			os.Exit(75)
		case <-time.After(5 * time.Millisecond): // work
		}
		step++
		at += rand.New(rand.NewPCG(seed, uint64(step))).Float64()
		fmt.Fprintf(rows, "{\"step\":%d,\"at\":%v}\n", step, at)
	}
	fmt.Printf("walked %v\n", at)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	walk := func(steps int64) override.Value {
		return program(t, "walk", "{steps}").Set("steps", override.IntValue(steps)).Set("seed", override.IntValue(0)).
			Set("task.metrics.length", override.StringValue(`walked (\S+)`)).Set("task.stop_grace", override.StringValue("2m"))
	}
	field := func(key, val string) override.Field {
		return override.Field{Key: override.StringValue(key), Val: override.StringValue(val)}
	}
	trainertest.Run(t, trainertest.Suite{
		New:     func() trainer.Trainer { return New() },
		Config:  walk(80),
		Endless: walk(1e9),
		Score:   "length", AtLeast: 20, // 80 steps of 0.5 on average
		Bad: []override.Field{field("task.command", "text"), field("task.timeout", "soon"), field("task.comand", "x"), field("task.metrics.length", "no group")},
	})
}
