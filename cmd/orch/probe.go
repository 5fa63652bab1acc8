package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A probe tries what the results tree's protocol needs of a file system, in a
// folder of its own. The names of the operations are the keys of failed.
type probe struct {
	Host   string            `json:"host"`
	Failed map[string]string `json:"failed"`
	// Publish is how long it takes to publish a small file durably: temporary
	// name, fsync, link, fsync of the folder; the median of several.
	Publish time.Duration `json:"publish"`
	GPUs    []string      `json:"gpus"`
	Visible string        `json:"cuda_visible_devices"`
	Saw     bool          `json:"saw"`   // from a job: what was written before it was submitted
	Asked   string        `json:"asked"` // from a job: why the scheduler cannot be asked there; empty: it can
	Time    time.Time     `json:"time"`
}

// operations are what is probed, in order.
var operations = []string{"mkdir", "O_EXCL", "link", "rename", "append", "fsync", "listing after creation"}

// probeFiles tries every operation below dir, which exists.
func probeFiles(dir string) *probe {
	p := &probe{Host: hostName(), Failed: map[string]string{}}
	fail := func(op string, err error) {
		if err != nil && p.Failed[op] == "" {
			p.Failed[op] = err.Error()
		}
	}
	own, err := os.MkdirTemp(dir, "files-")
	if err != nil {
		fail("mkdir", err)
		return p
	}
	defer os.RemoveAll(own)
	at := func(name string) string { return filepath.Join(own, name) }
	fail("mkdir", onlyOne(func(int) error { return os.Mkdir(at("d"), 0o700) }))
	fail("O_EXCL", onlyOne(func(int) error {
		f, err := os.OpenFile(at("excl"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			f.Close()
		}
		return err
	}))
	for i := range racers {
		fail("link", os.WriteFile(at(fmt.Sprint("t", i)), fmt.Append(nil, i), 0o600))
	}
	if p.Failed["link"] == "" {
		fail("link", onlyOne(func(i int) error { return os.Link(at(fmt.Sprint("t", i)), at("claim")) }))
	}
	if err := os.Rename(at("t0"), at("renamed")); err != nil {
		fail("rename", err)
	} else if _, err := os.Stat(at("t0")); err == nil {
		fail("rename", errors.New("the old name is still there"))
	}
	fail("append", probeAppend(at("log")))
	var took []time.Duration
	for i := range 5 {
		begin := time.Now()
		fail("fsync", publishDurably(own, fmt.Sprint("p", i)))
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	p.Publish = took[len(took)/2]
	fail("listing after creation", probeListing(own))
	p.GPUs, p.Visible = gpuList(), os.Getenv("CUDA_VISIBLE_DEVICES")
	return p
}

// racers try the same exclusive operation at once.
const racers = 8

// onlyOne reports an error unless exactly one of several attempts at once
// succeeds and all others are told that the name exists.
func onlyOne(try func(i int) error) error {
	errs := make([]error, racers)
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() { errs[i] = try(i) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	if won != 1 {
		return fmt.Errorf("%d of %d attempts at once succeeded, want 1", won, racers)
	}
	return nil
}

// probeAppend writes through two descriptors, as a journal and its reader's
// look at the length do.
func probeAppend(name string) error {
	const line = "a line\n"
	for range 2 {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(line)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	b, err := os.ReadFile(name)
	if err == nil && string(b) != line+line {
		err = fmt.Errorf("two lines appended, and %q is in the file", b)
	}
	return err
}

func publishDurably(dir, name string) error {
	temp := filepath.Join(dir, ".tmp-"+name)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString("{}\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(temp, filepath.Join(dir, name)); err != nil {
		return err
	}
	if err := os.Remove(temp); err != nil {
		return err
	}
	return syncFolder(dir)
}

// probeListing makes files and looks for each in the folder's listing at once,
// and by its name, which was asked for before it existed.
func probeListing(dir string) error {
	for i := range 20 {
		name := fmt.Sprint("new", i)
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("%s exists before it was made", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			return err
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == name }) {
			return fmt.Errorf("a file that was just made is not in the folder's listing")
		}
	}
	return nil
}

func hostName() string {
	h, _ := os.Hostname()
	return h
}

// gpuList names the GPUs that this process sees, as the driver's tool does.
func gpuList() []string {
	list := []string{}
	if out, err := exec.Command("nvidia-smi", "-L").Output(); err == nil {
		for line := range strings.Lines(string(out)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "GPU "); ok {
				name, _, _ = strings.Cut(name, " (UUID")
				list = append(list, name)
			}
		}
		return list
	}
	files, _ := filepath.Glob("/dev/nvidia[0-9]*")
	return append(list, files...)
}

// The files by which a job that probes is told and tells.
const (
	probeBefore = "before-submission"
	probeAnswer = "job.json"
)

// probeFromJob is what the doctor's job does: try the file system from here, and
// answer in a file.
func probeFromJob(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	p := probeFiles(dir)
	p.Saw = slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == probeBefore })
	p.Time = time.Now().UTC()
	if node := os.Getenv("SLURMD_NODENAME"); node != "" {
		p.Host = node
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "scontrol", "ping").CombinedOutput(); err != nil {
		p.Asked = oneLine(fmt.Sprint(err, " ", string(out)))
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	temp := filepath.Join(dir, ".tmp-answer")
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, probeAnswer))
}
