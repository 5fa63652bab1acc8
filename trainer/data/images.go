package data

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// published are the names of MNIST's files: images and labels to train and to
// test. Others use them too.
var published = [4]string{"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}

// A Missing error says which files of a data set are not there. It is an
// [fs.ErrNotExist].
type Missing struct {
	Set   string // name of the data set
	Dir   string
	Files []string // without .gz
}

// Error implements error.
func (m *Missing) Error() string {
	what := "the file"
	if len(m.Files) > 1 {
		what = "the files"
	}
	s := fmt.Sprintf("%s has not %s %s: put them there, as they are published, gzipped (.gz) or not, or set data.dir to the folder that has them",
		m.Dir, what, strings.Join(m.Files, ", "))
	if m.Set == "mnist" {
		s += "; orch does not download MNIST"
	}
	return s
}

// Is implements the interface of [errors.Is].
func (m *Missing) Is(target error) bool { return target == fs.ErrNotExist }

// find returns the path of a file: plain or gzipped, and with the dot
// that some mirrors have in MNIST's names.
func find(dir, name string) (string, error) {
	dotted := strings.Replace(name, "-idx", ".idx", 1)
	for _, file := range []string{name, name + ".gz", dotted, dotted + ".gz"} {
		path := filepath.Join(dir, file)
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() {
			return path, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fs.ErrNotExist
}

func mnistFiles(s Spec) ([]string, error) {
	return idxFiles(Spec{Name: s.Name, Dir: s.Dir})
}

// idxFiles finds the four files of a set. Those to test are optional unless
// they are named.
func idxFiles(s Spec) ([]string, error) {
	if s.Dir == "" {
		return nil, fmt.Errorf("data.dir is empty: set it to the folder with %s and the other files", cmp.Or(s.Images, published[0]))
	}
	var paths, missing []string
	for i, name := range []string{s.Images, s.Labels, s.TestImages, s.TestLabels} {
		file := cmp.Or(name, published[i])
		path, err := find(s.Dir, file)
		if errors.Is(err, fs.ErrNotExist) {
			if s.Name == "idx" && i == 2 && name == "" {
				paths = append(paths, "", "")
				break
			}
			missing = append(missing, file)
		} else if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	if missing != nil {
		return nil, &Missing{Set: s.Name, Dir: s.Dir, Files: missing}
	}
	return paths, nil
}

func readMNIST(_ Spec, paths []string) (*Source, error)  { return readSets(paths, 10) }
func readImages(_ Spec, paths []string) (*Source, error) { return readSets(paths, 0) }

// readSets reads a set and its test set, if there is one. classes is 0 to
// count them: one more than the highest label.
func readSets(paths []string, classes int) (*Source, error) {
	train, err := readSet(paths[0], paths[1], classes)
	if err != nil || paths[2] == "" {
		return &Source{All: train}, err
	}
	test, err := readSet(paths[2], paths[3], classes)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(train.Shape, test.Shape) {
		return nil, fmt.Errorf("%s: images of %v pixels, but those of %s have %v", paths[2], test.Shape, paths[0], train.Shape)
	}
	if (train.pixels == nil) != (test.pixels == nil) {
		return nil, fmt.Errorf("%s: other numbers than those of %s: one has bytes, which become 0 to 1, the other not", paths[2], paths[0])
	}
	if train.Classes < test.Classes {
		return nil, fmt.Errorf("%s: %d classes, but %s has %d", paths[3], test.Classes, paths[1], train.Classes)
	}
	test.Classes, test.Names = train.Classes, train.Names
	return &Source{All: train, Test: test}, nil
}

// readSet reads a file of images, of two dimensions or with channels as the
// third, or of features, and the file of their labels.
func readSet(images, labels string, classes int) (*Set, error) {
	x, err := readIDXFile(images, 2, 4)
	if err != nil {
		return nil, err
	}
	y, err := readIDXFile(labels, 1, 1)
	if err != nil {
		return nil, err
	}
	class, err := y.labels()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", labels, err)
	}
	switch {
	case slices.Contains(x.dims, 0):
		return nil, fmt.Errorf("%s: examples of no values: its dimensions are %v", images, x.dims)
	case x.dims[0] != len(class):
		return nil, fmt.Errorf("%s: %d labels for the %d images of %s", labels, len(class), x.dims[0], images)
	}
	if classes == 0 {
		classes = int(slices.Max(class)) + 1
	}
	set, err := newImages(x.dims[1:], classes, 255, x.bytes, x.numbers, class)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", labels, err)
	}
	return set, nil
}
