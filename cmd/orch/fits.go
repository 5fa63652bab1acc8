package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"orch/launcher"
	"orch/launcher/slurm"
	"orch/sweep"
	"orch/sweep/results"
)

// partitionsPatience is how long a plan waits for the cluster to say what its
// partitions are. Without an answer it goes on with what the profile says.
const partitionsPatience = 5 * time.Second

// checkFits refuses a plan whose workers no partition could ever run: Slurm
// takes such jobs, and lets them wait for ever. What is known comes from the
// cluster profile and from what the cluster said within the last day. It is
// asked if it said nothing yet and sbatch is here, and before anything is
// refused for what it said.
func (p *program) checkFits(c *cli.Context, plan *sweep.Plan) error {
	var told []slurm.Partition
	type answer struct {
		partitions []slurm.Partition
		old        bool
	}
	asked := map[string]answer{} // by cluster
	var errs []error
	var doubts []string
	for _, g := range plan.Groups {
		spec, problems := parseLauncher(g.Launcher)
		if spec.Backend != slurm.Backend.Name || len(problems) > 0 {
			continue
		}
		if len(asked) == 0 {
			if here, err := findCluster(configDir(c)); err == nil && here != nil {
				told = here.partitions
			}
		}
		if err := slurm.Judge(told, spec); err != nil {
			errs = append(errs, placed(plan, err))
			continue
		}
		cluster, _ := spec.Options["cluster"].(string)
		ask := func(again bool) answer {
			ps, old := p.partitions(resultsRoot(c), spec, cluster, again)
			asked[cluster] = answer{ps, old}
			return asked[cluster]
		}
		said, known := asked[cluster]
		if !known {
			said = ask(false)
		}
		err := slurm.Judge(said.partitions, spec)
		if err != nil && said.old {
			if said = ask(true); said.partitions != nil {
				err = slurm.Judge(said.partitions, spec)
			}
		}
		if err != nil {
			errs = append(errs, placed(plan, err))
		} else if doubt := cmp.Or(slurm.Doubt(said.partitions, spec), slurm.Doubt(told, spec)); doubt != "" && !slices.Contains(doubts, doubt) {
			doubts = append(doubts, doubt)
			fmt.Fprintf(p.stderr, "orch: %s\n", doubt)
		}
	}
	return errors.Join(errs...)
}

// placed puts in front of a complaint about the launcher, the retry policy or
// the study where the value was written: the complaint begins with its key.
func placed(plan *sweep.Plan, err error) error {
	key, _, ok := strings.Cut(err.Error(), ": ")
	top, _, _ := strings.Cut(key, ".")
	if !ok || len(plan.Bases) == 0 || !slices.Contains([]string{"launcher", "retry", "study"}, top) {
		return err
	}
	if top == "launcher" && len(plan.Groups) != 1 {
		return err // of which one, is not known
	}
	if at := plan.Composed(0).Origin(key).String(); at != "" {
		return &placedError{at, err}
	}
	return err
}

type placedError struct {
	at  string
	err error
}

func (e *placedError) Error() string { return e.at + ": " + e.err.Error() }
func (e *placedError) Unwrap() error { return e.err }

// partitions returns what the cluster of a request gives, nil if that is not
// known, and whether it said so before: then it can be asked again.
func (p *program) partitions(root string, spec launcher.Spec, cluster string, again bool) (ps []slurm.Partition, old bool) {
	state := ""
	if tree, err := results.Open(root); err == nil {
		state = tree.BackendDir(spec.Backend)
		tree.Close()
		if ps, ok := slurm.RememberedPartitions(state, cluster); ok && !again {
			return ps, true
		}
	}
	l, err := backends.Open(p.ctx, launcher.Setup{Spec: spec, StateDir: state})
	if err != nil {
		return nil, false
	}
	s, ok := launcher.As[*slurm.Slurm](l)
	if !ok {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(p.ctx, partitionsPatience)
	defer cancel()
	ps, err = s.Partitions(ctx)
	if err != nil {
		p.log.Debug().Err(err).Msg("partitions are not known")
		return nil, false
	}
	return ps, false
}

// unheard says what is in the shell for Slurm's own commands and is not used.
func unheard(groups []results.Group) (lines []string) {
	for _, g := range groups {
		if spec, problems := parseLauncher(g.Launcher); spec.Backend == slurm.Backend.Name && len(problems) == 0 {
			lines = append(lines, slurm.Unheard(spec.Options)...)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}
