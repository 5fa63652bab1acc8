package data

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Spec says which data set to load, and from where.
type Spec struct {
	Name string // one of [Names]
	Dir  string // folder of its files; digits needs none

	// Names of idx's files in Dir; empty is MNIST's name. Without a file of
	// test images the test part is cut from the others.
	Images, Labels, TestImages, TestLabels string

	// A table: its file in Dir, perhaps one to test on, the column to predict,
	// whether that is a number rather than a class, columns to leave out.
	File, TestFile string
	Target         string
	Numbers        bool
	Drop           []string
}

// A loader reads one kind of data set.
type loader struct {
	files func(Spec) ([]string, error) // paths of its files; an empty one is not there
	read  func(s Spec, paths []string) (*Source, error)
}

// loaders are the known data sets; a new one is a file with a loader and a
// line here.
var loaders = map[string]loader{
	"digits": {func(Spec) ([]string, error) { return nil, nil }, func(Spec, []string) (*Source, error) { return digits() }},
	"mnist":  {mnistFiles, readMNIST},
	"idx":    {idxFiles, readImages},
	"csv":    {tableFiles, readTables},
}

// Names lists the data sets that [Load] knows, sorted.
func Names() []string {
	var names []string
	for name := range loaders {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// stamp identifies the content of a file as well as a cache needs it.
type stamp struct {
	path string
	size int64
	time time.Time
}

// last is the set that was read last. Its lock is held while reading, so that
// runs that start together read once.
var last struct {
	sync.Mutex
	spec  string
	files []stamp
	src   *Source
}

// Load returns a data set. It reads files once and keeps the last set, so
// that the runs of one process share it. Safe for concurrent use.
func Load(s Spec) (*Source, error) {
	l, ok := loaders[s.Name]
	if !ok {
		return nil, fmt.Errorf("no data set %q: data.name is one of %s", s.Name, strings.Join(Names(), ", "))
	}
	src, err := l.load(s)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", s.Name, err)
	}
	return src, nil
}

func (l loader) load(s Spec) (*Source, error) {
	paths, err := l.files(s)
	if err != nil {
		return nil, err
	}
	if paths == nil {
		return l.read(s, nil)
	}
	var files []stamp
	for _, p := range paths {
		st := stamp{path: p}
		if p != "" {
			var info fs.FileInfo
			if info, err = os.Stat(p); err != nil {
				return nil, err
			}
			st.size, st.time = info.Size(), info.ModTime()
		}
		files = append(files, st)
	}
	last.Lock()
	defer last.Unlock()
	spec := fmt.Sprintf("%+v", s)
	if last.src != nil && last.spec == spec && slices.Equal(last.files, files) {
		return last.src, nil
	}
	last.src = nil // not two sets at once in memory
	src, err := l.read(s, paths)
	if err != nil {
		return nil, err
	}
	last.spec, last.files, last.src = spec, files, src
	return src, nil
}
