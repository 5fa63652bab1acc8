package compose

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Layer is one config folder of the search path.
type Layer struct {
	Label string // as shown in origins: "configs", "embedded"
	FS    fs.FS
}

// Source is everything that composing may look at. It is safe for concurrent
// use. A file is read at most once, so everything composed from one Source
// sees the same text, also while somebody edits the files.
type Source struct {
	Layers []Layer                          // the first that has a file wins
	Env    func(name string) (string, bool) // for ${env:...}; nil: no environment
	Now    time.Time                        // for ${now:...}; fixed once per sweep
	Place  *Place                           // what the machine says; nil: nothing

	mu     sync.Mutex
	files  map[string]*loaded
	groups map[string]bool

	sweep     *file // the last primary given by path
	sweepText string
}

// loaded is the memory of one attempt to read a config; f is nil if no layer
// has the file.
type loaded struct {
	f   *file
	err error
}

const ext = ".toml"

// load returns the config of a path such as "model/net2", nil if there is none.
func (s *Source) load(name string) (*file, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.files[name]; ok {
		return l.f, l.err
	}
	l := &loaded{}
	l.f, l.err = s.read(name)
	if s.files == nil {
		s.files = map[string]*loaded{}
	}
	s.files[name] = l
	return l.f, l.err
}

func (s *Source) read(name string) (*file, error) {
	if !fs.ValidPath(name) || name == "." || strings.Contains(name, "\\") {
		return nil, nil
	}
	for i, layer := range s.Layers {
		label := path.Join(layer.Label, name+ext)
		text, err := readBounded(layer.FS, name+ext)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("read config %s: %w", label, err)
		}
		f, err := parseFile(name, label, text)
		if err != nil || s.Place == nil {
			return f, err
		}
		return f, s.Place.adapt(f, i == len(s.Layers)-1)
	}
	return nil, nil
}

// readBounded reads a file, at most one byte more than a config may have.
func readBounded(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fs.ErrNotExist
	}
	return io.ReadAll(io.LimitReader(f, maxBytes+1))
}

// IsGroup reports whether there is a folder of this name in any layer.
func (s *Source) IsGroup(name string) bool {
	if !fs.ValidPath(name) || name == "." {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.groups[name]; ok {
		return known
	}
	is := false
	for _, layer := range s.Layers {
		if info, err := fs.Stat(layer.FS, name); err == nil && info.IsDir() {
			is = true
			break
		}
	}
	if s.groups == nil {
		s.groups = map[string]bool{}
	}
	s.groups[name] = is
	return is
}

// Below reports whether a group exists only in layers below the one that has
// the primary config (the first layer for a sweep file): then whoever wrote
// that config need not know of the group.
func (s *Source) Below(group, primary string) bool {
	for _, layer := range s.Layers {
		if info, err := fs.Stat(layer.FS, group); err == nil && info.IsDir() {
			return false
		}
		if _, err := fs.Stat(layer.FS, primary+ext); err == nil || primary == "" {
			return true
		}
	}
	return false
}

// Options returns the options of a group over all layers, sorted; nil if there
// is no such group. The group "" has the configs of the top folder.
func (s *Source) Options(group string) []string {
	var names []string
	s.entries(group, func(e fs.DirEntry) {
		if name, ok := strings.CutSuffix(e.Name(), ext); ok && !e.IsDir() {
			names = append(names, name)
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// Groups returns all groups over all layers, sorted: "data", "model",
// "model/encoder".
func (s *Source) Groups() []string {
	var names []string
	var visit func(dir string)
	visit = func(dir string) {
		s.entries(dir, func(e fs.DirEntry) {
			name := path.Join(dir, e.Name())
			if e.IsDir() && len(strings.Split(name, "/")) <= maxDepth && !slices.Contains(names, name) {
				names = append(names, name)
				visit(name)
			}
		})
	}
	visit("")
	slices.Sort(names)
	return names
}

// entries calls f for what a folder holds in every layer, hidden files left out.
func (s *Source) entries(dir string, f func(fs.DirEntry)) {
	if dir == "" {
		dir = "."
	}
	if !fs.ValidPath(dir) {
		return
	}
	for _, layer := range s.Layers {
		list, err := fs.ReadDir(layer.FS, dir)
		if err != nil {
			continue // most layers lack most groups
		}
		for _, e := range list {
			if !strings.HasPrefix(e.Name(), ".") {
				f(e)
			}
		}
	}
}

// folders names the layers for error messages: "configs, embedded".
func (s *Source) folders() string {
	labels := make([]string, len(s.Layers))
	for i, l := range s.Layers {
		labels[i] = l.Label
	}
	return strings.Join(labels, ", ")
}

// has reports whether a config exists, readable or not.
func (s *Source) has(name string) bool {
	f, err := s.load(name)
	return f != nil || err != nil
}
