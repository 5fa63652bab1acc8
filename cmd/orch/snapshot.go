package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"orch/sweep/code"
	"orch/sweep/dispatch"
	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer/command"
)

// codeSource is the code that the programs of a submission start in.
type codeSource struct {
	p     *program
	s     *results.Sweep
	dir   string // where they start
	only  []string
	bases []override.Value
}

// copyCode adds to a publication how the code is copied for the runs of these
// configs, which start in dir, if one of them asks for that.
func (p *program) copyCode(o *dispatch.Publication, s *results.Sweep, dir string, bases []override.Value) {
	for _, b := range bases {
		v, ok := b.Get("task.snapshot")
		if !ok {
			continue
		}
		if wanted, only, err := command.Snapshot(v); err == nil && wanted {
			src := &codeSource{p, s, dir, only, bases}
			o.Code, o.CodeHash = src.keep, sync.OnceValues(src.hash)
			return
		}
	}
}

func (c *codeSource) list() (*code.Tree, error) {
	leave := c.s.Tree().Path()
	if real, err := filepath.EvalSymlinks(leave); err == nil {
		leave = real
	}
	t, err := code.List(c.p.ctx, c.dir, c.only, []string{leave})
	var large *code.TooLargeError
	if errors.As(err, &large) {
		return nil, usage("task.snapshot: %w: add what is no code to .gitignore, or list what is: snapshot = [\"src\", \"*.py\"]", err)
	}
	if err != nil {
		return nil, usage("task.snapshot: %w", err)
	}
	return t, nil
}

func (c *codeSource) hash() (string, error) {
	t, err := c.list()
	if err != nil {
		return "", err
	}
	return results.CodeHash(t.Root, t.Files)
}

func (c *codeSource) keep() (*results.Code, error) {
	t, err := c.list()
	if err != nil {
		return nil, err
	}
	kept, err := c.s.KeepCode(t.Root, t.Prefix, t.Files, t.Links)
	if err != nil {
		return nil, err
	}
	for _, word := range commandWords(c.bases) {
		if rel, err := filepath.Rel(t.Root, word); filepath.IsAbs(word) && err == nil && filepath.IsLocal(rel) {
			fmt.Fprintf(c.p.stderr, "orch: the command names %s itself, not its copy: write a path relative to %s\n", word, c.dir)
			break
		}
	}
	fmt.Fprintf(c.p.stderr, "orch: the runs use a copy of the code: %d files, %s, in %s\n", kept.Files, bytesText(kept.Bytes), c.s.CodePath(kept))
	return kept, nil
}

// commandWords returns the words of the commands of some configs.
func commandWords(bases []override.Value) []string {
	var words []string
	for _, b := range bases {
		v, _ := b.Get("task.command")
		for _, w := range v.List() {
			words = append(words, w.Text())
		}
		if s, ok := v.Str(); ok { // of a shell
			words = append(words, strings.Fields(s)...)
		}
	}
	return words
}

// side returns the code of a run for comparison.
func side(f found) (code.Side, error) {
	seg := segmentOf(f)
	s := code.Side{Dir: seg.Provenance.Dir, Commit: seg.Provenance.Commit}
	if seg.Code != nil {
		s.Copy = f.sweep.CodePath(seg.Code)
	}
	var err error
	s.Changes, err = f.sweep.Changes(seg.Number)
	return s, err
}

// segmentOf returns the segment whose try a run's result comes from.
func segmentOf(f found) *results.Segment {
	if n := len(f.st.Run.Tries); n > 0 {
		return f.st.Run.Tries[n-1].Segment
	}
	return f.st.Run.Segment
}

// codeChanges compares the files of two runs' code. Nothing is compared where
// both are known to be the same.
func codeChanges(ctx context.Context, a, b found, patch bool) ([]code.Change, []byte, error) {
	x, y := segmentOf(a), segmentOf(b)
	switch {
	case x.Code != nil && y.Code != nil && x.Code.Hash == y.Code.Hash && x.Code.Root == y.Code.Root:
		return nil, nil, nil
	case x.Code == nil && y.Code == nil && x.Provenance.Commit == y.Provenance.Commit && x.Provenance.DirtyHash == y.Provenance.DirtyHash:
		return nil, nil, nil
	}
	for _, f := range []struct {
		found
		seg *results.Segment
	}{{a, x}, {b, y}} {
		if note := f.seg.Provenance.DirtyNote; note != "" && (x.Code == nil || y.Code == nil) {
			return nil, nil, fmt.Errorf("the changes of %s were not kept whole: %s", f.st.Run.Name, note)
		}
	}
	sa, err := side(a)
	if err != nil {
		return nil, nil, err
	}
	sb, err := side(b)
	if err != nil {
		return nil, nil, err
	}
	return code.Diff(ctx, sa, sb, patch)
}
