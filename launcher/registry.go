package launcher

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A Backend is one way of starting workers, as the program that offers it
// lists it. Nothing registers itself: cmd/orch writes the [Registry] down.
type Backend struct {
	// Name is what `backend = "..."` says.
	Name string

	// Keys are the backend's own keys of the [launcher] table. A key that is
	// neither common nor listed here is refused, with the nearest name.
	Keys []string

	// Check judges the values of the backend's own keys without touching the
	// machine and returns every problem, as [*KeyError]s where a key is to
	// blame. All keys of options are among Keys. May be nil.
	Check func(options map[string]any) []error

	// Open returns a launcher for s. If it has a Close method (io.Closer), the
	// caller closes it.
	Open func(ctx context.Context, s Setup) (Launcher, error)
}

// Setup is what a backend is opened with.
type Setup struct {
	Spec Spec

	// StateDir is a folder in which a backend may keep what it must remember
	// between processes; it is made when needed. Backends whose machine
	// remembers (Slurm) keep at most a cache there.
	StateDir string

	// Detach asks for workers that outlive this process. Backends whose
	// workers always do ignore it.
	Detach bool
}

// Registry is the list of backends a program offers.
type Registry []Backend

// Names returns the backends' names, sorted.
func (r Registry) Names() []string {
	names := make([]string, len(r))
	for i, b := range r {
		names[i] = b.Name
	}
	slices.Sort(names)
	return names
}

// Find returns the backend of this name. The error lists those there are.
func (r Registry) Find(name string) (Backend, error) {
	for _, b := range r {
		if b.Name == name {
			return b, nil
		}
	}
	e := &KeyError{Key: "launcher.backend", Nearest: Nearest(name, r.Names())}
	list := strings.Join(r.Names(), ", ")
	if name == "" {
		e.Problem = "is missing: set it to one of " + list
	} else {
		e.Problem = fmt.Sprintf("no backend %q: there are %s", name, list)
	}
	return Backend{}, e
}

// ParseSpec decodes a resolved [launcher] table like the function [ParseSpec],
// and also judges what that one leaves open: whether the backend exists, knows
// the keys left over, and likes their values. It returns all problems at once.
func (r Registry) ParseSpec(table map[string]any) (Spec, []error) {
	s, errs := ParseSpec(table)
	b, err := r.Find(s.Backend)
	if err != nil {
		if _, given := table["backend"].(string); given || table["backend"] == nil {
			errs = append(errs, err) // a backend of a wrong type is reported already
		}
		return s, errs
	}
	known := make(map[string]any, len(s.Options))
	for _, k := range sortedKeys(s.Options) {
		if slices.Contains(b.Keys, k) {
			known[k] = s.Options[k]
			continue
		}
		errs = append(errs, &KeyError{
			Key:     "launcher." + k,
			Problem: fmt.Sprintf("unknown key for backend %q", b.Name),
			Nearest: Nearest(k, slices.Concat(commonKeys(), b.Keys)),
		})
	}
	if b.Check != nil {
		errs = append(errs, b.Check(known)...)
	}
	return s, errs
}

// Open opens the backend that s.Spec names.
func (r Registry) Open(ctx context.Context, s Setup) (Launcher, error) {
	b, err := r.Find(s.Spec.Backend)
	if err != nil {
		return nil, err
	}
	l, err := b.Open(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("open launcher %q: %w", cmpName(s.Spec), err)
	}
	return l, nil
}

func cmpName(s Spec) string {
	if s.Name != "" {
		return s.Name
	}
	return s.Backend
}
