package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// What programs say when they run out of memory, of the machine or of a GPU.
// A GPU's end of memory is never more than an exit code to kernel and Slurm.
var memoryTexts = [][]byte{
	[]byte("MemoryError"),      // Python; also numpy's _ArrayMemoryError
	[]byte("OutOfMemoryError"), // torch.cuda, Java, Julia
	[]byte("std::bad_alloc"),
	[]byte("CUDA out of memory"),
	[]byte("CUDA_ERROR_OUT_OF_MEMORY"),
	[]byte("RESOURCE_EXHAUSTED: Out of memory"), // JAX, TensorFlow
	[]byte("cannot allocate vector of size"),    // R
	[]byte("runtime: out of memory"),            // Go
	[]byte("Cannot allocate memory"),            // ENOMEM
	[]byte("oom-kill"),                          // slurmstepd
	[]byte("oom_kill"),
}

// How many lines of the log's end are asked about memory. A program that once
// caught such an error, and failed for another reason later, is not meant.
const memoryLines = 40

// outOfMemoryText returns the line near the end of a log that says that memory
// was exhausted.
func outOfMemoryText(log []byte) string {
	for n := 0; n < memoryLines && len(log) > 0; n++ {
		begin := bytes.LastIndexByte(log, '\n') + 1
		for _, text := range memoryTexts {
			if bytes.Contains(log[begin:], text) {
				return readable(log[begin:])
			}
		}
		log = log[:max(0, begin-1)]
	}
	return ""
}

// oomWatch notices out-of-memory kills in the worker's cgroup. Several runs
// share it, so it tells that there was a kill while a run lasted, not whose;
// for a run that was killed at that time this is evidence enough.
type oomWatch struct {
	root string // "/", or a copy of what is needed in tests

	mu   sync.Mutex
	file string // where the kernel counts; empty: nowhere
	seen int64  // the count when last read
	init bool
}

// before returns the count at a run's start. It reads the file only once in a
// worker's life: what another run noticed since is remembered.
func (w *oomWatch) before() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.init {
		w.init = true
		w.file = w.find()
		w.seen, _ = w.read()
	}
	return w.seen
}

// after reports whether there was a kill since before returned that count, and
// the file that says so.
func (w *oomWatch) after(before int64) (file string, killed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, ok := w.read()
	if !ok {
		return "", false
	}
	w.seen = n
	return w.file, n > before
}

// find returns the file with the counter: memory.events of cgroup v2 or
// memory.oom_control of v1 (Linux 4.13), of this process's cgroup or, where a
// container hides that path, of the hierarchy's visible root; at last
// /proc/vmstat, which counts for the whole machine (also Linux 4.13).
func (w *oomWatch) find() string {
	b, _ := os.ReadFile(filepath.Join(w.root, "proc/self/cgroup"))
	var files []string
	for _, line := range strings.Split(string(b), "\n") {
		parts := strings.SplitN(line, ":", 3) // hierarchy:controllers:path
		if len(parts) != 3 {
			continue
		}
		for _, c := range strings.Split(parts[1], ",") {
			switch c {
			case "":
				files = append(files, filepath.Join("sys/fs/cgroup", parts[2], "memory.events"), "sys/fs/cgroup/memory.events")
			case "memory":
				files = append(files, filepath.Join("sys/fs/cgroup/memory", parts[2], "memory.oom_control"), "sys/fs/cgroup/memory/memory.oom_control")
			}
		}
	}
	for _, file := range append(files, "proc/vmstat") {
		w.file = filepath.Join(w.root, file)
		if _, ok := w.read(); ok {
			return w.file
		}
	}
	return ""
}

// read returns the line "oom_kill N" of the file.
func (w *oomWatch) read() (int64, bool) {
	if w.file == "" {
		return 0, false
	}
	b, err := os.ReadFile(w.file)
	if err != nil {
		return 0, false
	}
	for _, line := range strings.Split(string(b), "\n") {
		if s, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
