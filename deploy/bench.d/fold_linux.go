package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// line is what a program that only wants the results would decode of a line of
// a plan or a journal.
type line struct {
	Kind    string             `json:"k"`
	Run     string             `json:"r"`
	ID      string             `json:"i"`
	Name    string             `json:"n"`
	Block   string             `json:"b"`
	Time    int64              `json:"t"`
	Seconds float64            `json:"d"`
	Class   string             `json:"c"`
	Metrics map[string]float64 `json:"m"`
}

// planLine: in a plan, c and d are other things than in a journal.
type planLine struct {
	ID    string         `json:"i"`
	Name  string         `json:"n"`
	Delta map[string]any `json:"d"`
}

// parse is what anybody would write to read the results: every line through
// encoding/json into a struct, a file on each core, no checksum, no claims, no
// states. It is the anchor of status, and the first half of that of collect.
func parse(tree string) error {
	var files []string
	for _, pattern := range []string{"*/journals/*.jsonl", "*/plans/*/plan.jsonl"} {
		found, err := filepath.Glob(filepath.Join(tree, pattern))
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return fmt.Errorf("%s: no plan and no journal", tree)
	}
	// Pieces of a few MiB, so that one big file does not keep the other cores waiting.
	type piece struct {
		plan bool
		b    []byte
	}
	pieces := make(chan piece, 4)
	errs := make(chan error, runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	ended, planned := map[string]line{}, map[string]planLine{}
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			var failed error
			for p := range pieces {
				for b := p.b; len(b) > 0 && failed == nil; {
					i := bytes.IndexByte(b, '\n')
					if i < 0 { // being written
						break
					}
					var l line
					var pl planLine
					if p.plan {
						if !bytes.HasPrefix(b, []byte(`{"i":`)) { // the header and the end
							break
						}
						failed = json.Unmarshal(b[:i], &pl)
					} else if failed = json.Unmarshal(b[:i], &l); l.Kind != "end" {
						b = b[i+1:]
						continue
					}
					mu.Lock()
					if p.plan {
						planned[pl.ID] = pl
					} else {
						ended[l.Run] = l
					}
					mu.Unlock()
					b = b[i+1:]
				}
			}
			if failed != nil {
				errs <- failed
			}
		})
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for plan := filepath.Base(name) == "plan.jsonl"; len(b) > 0; {
			n := len(b)
			if most := 4 << 20; n > most {
				n = bytes.LastIndexByte(b[:most], '\n') + 1
			}
			pieces <- piece{plan, b[:n]}
			b = b[n:]
		}
	}
	close(pieces)
	all.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	fmt.Println(len(planned), "planned", len(ended), "ended")
	return nil
}

// fold is parse, and then what writing tables costs whoever makes their bytes:
// those of the tree's collected/ folders, all synced, a core's number at a time.
func fold(tree, out string) error {
	if err := parse(tree); err != nil {
		return err
	}
	tables, err := filepath.Glob(filepath.Join(tree, "*/collected/*.*"))
	if err != nil || len(tables) == 0 {
		return errors.Join(fmt.Errorf("%s: no tables: run orch collect first", tree), err)
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return err
	}
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	errs := make([]error, len(tables))
	var all sync.WaitGroup
	for i, name := range tables {
		slots <- struct{}{}
		all.Go(func() {
			errs[i] = copySynced(name, filepath.Join(out, fmt.Sprint(i)))
			<-slots
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// copySynced reads, hashes, writes and syncs a file.
func copySynced(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(dst, 1<<20)
	_, err = io.Copy(io.MultiWriter(w, sha256.New()), src)
	return errors.Join(err, w.Flush(), dst.Sync(), dst.Close())
}
