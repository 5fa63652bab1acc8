package data

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// mnistFiles are the published names: images and labels to train and to test.
var mnistFiles = [4]string{"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}

// A Missing error says which file of a data set is not there. It is an
// [fs.ErrNotExist].
type Missing struct {
	Set  string // name of the data set
	Dir  string
	File string // without .gz
}

// Error implements error.
func (m *Missing) Error() string {
	return fmt.Sprintf("no file %s (or %[1]s.gz) in %s: run `orch data` to fetch %s, or set data.dir to the folder that has it", m.File, m.Dir, m.Set)
}

// Is implements the interface of [errors.Is].
func (m *Missing) Is(target error) bool { return target == fs.ErrNotExist }

// findMNIST returns the path of one of the files: plain or gzipped, and with
// the dot that some mirrors have in its name.
func findMNIST(dir, name string) (string, fs.FileInfo, error) {
	dotted := strings.Replace(name, "-idx", ".idx", 1)
	for _, file := range []string{name, name + ".gz", dotted, dotted + ".gz"} {
		path := filepath.Join(dir, file)
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() {
			return path, info, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", nil, err
		}
	}
	return "", nil, &Missing{Set: "mnist", Dir: dir, File: name}
}

// stamp identifies the content of a file as well as a cache needs it.
type stamp struct {
	path string
	size int64
	time time.Time
}

// lastMNIST is the set that was read last. Its lock is held while reading, so
// that runs that start together read once.
var lastMNIST struct {
	sync.Mutex
	files [4]stamp
	src   *Source
}

func mnist(dir string) (*Source, error) {
	if dir == "" {
		return nil, fmt.Errorf("data.dir is empty: set it to the folder with %s and the other three files", mnistFiles[0])
	}
	var files [4]stamp
	for i, name := range mnistFiles {
		path, info, err := findMNIST(dir, name)
		if err != nil {
			return nil, err
		}
		files[i] = stamp{path, info.Size(), info.ModTime()}
	}
	lastMNIST.Lock()
	defer lastMNIST.Unlock()
	if lastMNIST.src != nil && lastMNIST.files == files {
		return lastMNIST.src, nil
	}
	train, err := readMNIST(files[0].path, files[1].path)
	if err != nil {
		return nil, err
	}
	test, err := readMNIST(files[2].path, files[3].path)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(train.Shape, test.Shape) {
		return nil, fmt.Errorf("%s: images of %v pixels, but those of %s have %v", files[2].path, test.Shape, files[0].path, train.Shape)
	}
	lastMNIST.files, lastMNIST.src = files, &Source{All: train, Test: test}
	return lastMNIST.src, nil
}

// readMNIST reads a file of images and the file of their labels.
func readMNIST(images, labels string) (*Set, error) {
	dims, pixels, err := readIDXFile(images, 3)
	if err != nil {
		return nil, err
	}
	_, classes, err := readIDXFile(labels, 1)
	if err != nil {
		return nil, err
	}
	switch {
	case dims[0] == 0 || dims[1] == 0 || dims[2] == 0:
		return nil, fmt.Errorf("%s: %d images of %dx%d pixels", images, dims[0], dims[1], dims[2])
	case dims[0] != len(classes):
		return nil, fmt.Errorf("%s: %d labels for the %d images of %s", labels, len(classes), dims[0], images)
	}
	set, err := newSet(dims[1:], 10, 255, pixels, classes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", labels, err)
	}
	return set, nil
}
