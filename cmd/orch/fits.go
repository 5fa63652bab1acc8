package main

import (
	"context"
	"errors"
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
// cluster profile and from what the cluster said within the last day; if it
// said nothing yet and sbatch is here, it is asked once.
func (p *program) checkFits(c *cli.Context, plan *sweep.Plan) error {
	var told []slurm.Partition
	asked := map[string][]slurm.Partition{} // by cluster
	var errs []error
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
		cluster, _ := spec.Options["cluster"].(string)
		if _, known := asked[cluster]; !known {
			asked[cluster] = p.partitions(resultsRoot(c), spec, cluster)
		}
		for _, ps := range [][]slurm.Partition{told, asked[cluster]} {
			if err := slurm.Judge(ps, spec); err != nil {
				errs = append(errs, placed(plan, err))
				break
			}
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

// partitions returns what the cluster of a request gives, nil if that is not known.
func (p *program) partitions(root string, spec launcher.Spec, cluster string) []slurm.Partition {
	state := ""
	if tree, err := results.Open(root); err == nil {
		state = tree.BackendDir(spec.Backend)
		tree.Close()
		if ps, ok := slurm.RememberedPartitions(state, cluster); ok {
			return ps
		}
	}
	l, err := backends.Open(p.ctx, launcher.Setup{Spec: spec, StateDir: state})
	if err != nil {
		return nil
	}
	s, ok := launcher.As[*slurm.Slurm](l)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(p.ctx, partitionsPatience)
	defer cancel()
	ps, err := s.Partitions(ctx)
	if err != nil {
		p.log.Debug().Err(err).Msg("partitions are not known")
		return nil
	}
	return ps
}
