package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"orch/sweep/code"
	"orch/sweep/results"
)

// scene is where a submission comes from.
type scene struct {
	results.Provenance
	changes []byte // the patch against the commit
}

// lookAround finds out in the background where a submission comes from, as the
// first thing that a command does which will need it: git takes as long as all
// the rest of submitting one run. What it returns waits for the answer.
func (p *program) lookAround() (provenance func() scene) {
	found := make(chan scene, 1)
	go func() { found <- p.provenance("") }()
	return sync.OnceValue(func() scene { return <-found })
}

// provenance collects where a submission comes from, and what code lies in dir,
// which is the working directory if it is empty. What cannot be found out,
// because there is no git or no work tree, stays empty.
func (p *program) provenance(dir string) scene {
	pr := results.Provenance{Time: time.Now().UTC().Truncate(time.Second), Command: p.args, Orch: version + " " + commit(), Go: runtime.Version(), Dir: dir}
	if dir == "" {
		pr.Dir, _ = os.Getwd()
	}
	look := make(chan code.State, 1)
	go func() { look <- code.Look(p.ctx, pr.Dir) }()
	pr.Host, _ = os.Hostname()
	if u, err := user.Current(); err == nil {
		pr.User = u.Username
	}
	pr.Binary = binaryID()
	state := <-look
	pr.Commit, pr.Dirty, pr.DirtyHash, pr.DirtyNote = state.Commit, state.Dirty, state.Hash, state.Note
	return scene{pr, state.Changes}
}

// binaryID returns what identifies this program: the hash of its content that
// Go's linker wrote into it, the last part of what "go tool buildid" prints. A
// binary without one, linked by another linker or stripped of it, gets its
// SHA-256: 45 MB take 30 ms, which a submission of one run would notice.
func binaryID() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return ""
	}
	defer f.Close()
	begin := make([]byte, linkedIn)
	n, err := io.ReadFull(f, begin)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	if id := contentID(begin[:n]); id != "" {
		return id
	}
	h := sha256.New()
	h.Write(begin[:n])
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// linkedIn is how far into a binary Go's linker puts the build ID, at most; the
// go command reads as much (cmd/internal/buildid, readSize).
const linkedIn = 32 << 10

// contentID finds the build ID in the beginning of a binary, which has the form
// <action>/<action>/<content>/<content>: on ELF systems in a note of the owner
// "Go" and type 4, elsewhere quoted between marks in front of the program's text.
func contentID(begin []byte) string {
	var id []byte
	if head, rest, ok := bytes.Cut(begin, []byte("\x04\x00\x00\x00Go\x00\x00")); ok && len(head) >= 4 {
		size := binary.LittleEndian.Uint32(head[len(head)-4:])
		id = rest[:min(int(size), len(rest))]
	} else if _, rest, ok := bytes.Cut(begin, []byte("\xff Go build ID: \"")); ok {
		id, _, _ = bytes.Cut(rest, []byte("\"\n \xff"))
	}
	if bytes.Count(id, []byte("/")) != 3 {
		return ""
	}
	return string(id[bytes.LastIndexByte(id, '/')+1:])
}
