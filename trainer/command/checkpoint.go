package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"orch/sweep/results"
)

// checkpoints returns where a program finds the checkpoints of an earlier
// attempt, given its folder: what was its $ORCH_CKPT_DIR, unless that stayed
// empty because the program keeps them elsewhere in its run folder.
func checkpoints(attempt string) string {
	dir := filepath.Join(attempt, results.CheckpointsDir)
	d, err := os.Open(dir)
	if err != nil {
		return attempt
	}
	defer d.Close()
	if names, _ := d.Readdirnames(1); len(names) == 0 {
		return attempt
	}
	return dir
}

// named is a file that the program called a checkpoint.
type named struct {
	step int64
	file string // relative to the run's folder
}

// name notes that a file of the run's folder is a checkpoint. The program may
// name it by its whole path, or relative to the run's folder.
func (g *gathered) name(step int64, file string) error {
	if filepath.IsAbs(file) {
		rel, err := filepath.Rel(g.dir, file)
		if err != nil {
			return err
		}
		file = rel
	}
	file = filepath.Clean(file)
	if !filepath.IsLocal(file) || file == "." {
		return fmt.Errorf("checkpoint %.80q is outside the run's folder", file)
	}
	if _, err := os.Stat(filepath.Join(g.dir, file)); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	g.named = &named{step, file}
	return nil
}

// checkpoint passes on the checkpoint that was named last; of many that are read
// at once only that one will be resumed from. It is synced here: few programs
// do, and a checkpoint that a power cut empties must not be resumed from.
func (g *gathered) checkpoint() error {
	n := g.named
	if n == nil {
		return nil
	}
	g.named = nil
	f, err := os.Open(filepath.Join(g.dir, n.file))
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	g.ckpts++
	g.to.Checkpoint(n.step, filepath.ToSlash(n.file))
	return nil
}

// unnamed reports the newest file in $ORCH_CKPT_DIR for a program that ended
// early and named no checkpoint. What looks unfinished does not count: hidden
// files and those that end in .tmp or .part.
func (g *gathered) unnamed() {
	entries, err := os.ReadDir(filepath.Join(g.dir, results.CheckpointsDir))
	if err != nil {
		return
	}
	newest, when := "", time.Time{}
	for _, e := range entries {
		name := e.Name()
		if name[0] == '.' || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".part") {
			continue
		}
		if info, err := e.Info(); err == nil && (newest == "" || info.ModTime().After(when)) {
			newest, when = name, info.ModTime()
		}
	}
	if newest == "" {
		return
	}
	err = g.name(g.step, filepath.Join(results.CheckpointsDir, newest))
	if err == nil {
		err = g.checkpoint()
	}
	if err != nil {
		g.bad(newest, err)
	}
}
