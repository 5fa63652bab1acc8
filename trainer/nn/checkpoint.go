package nn

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
)

// The checkpoint file, all numbers little-endian:
//
//	"orchckpt"            8 bytes
//	version               uint32, now 1
//	length of manifest    uint32, at most 1 MiB
//	manifest              JSON, see type manifest
//	blocks                4 bytes an element, one block after the other
//	SHA-256               32 bytes, of everything before
//
// The manifest says type and length of each block, so the size of the whole
// file is known from its first part. It is checked before any element is read,
// and so is whether the manifest is of this run: a file that is not costs no
// more than its first megabyte. An element is a float32 ("f32") or a uint32
// ("u32").
const (
	checkpointMagic   = "orchckpt"
	checkpointVersion = 1
	maxManifest       = 1 << 20
	headerSize        = 16
)

// manifest is the part of a checkpoint that is not bulk. Floats survive JSON
// exactly: Go writes the shortest text that reads back as the same float64.
type manifest struct {
	Config     json.RawMessage `json:"config"`     // the parameters that decide the results
	Arithmetic string          `json:"arithmetic"` // what computed; other arithmetic may round differently
	Progress   progress        `json:"progress"`
	Shuffle    []byte          `json:"shuffle,omitempty"` // state of the PCG

	Noise  map[string][]byte `json:"noise,omitempty"` // states of other streams, by purpose
	Blocks []blockInfo       `json:"blocks"`
}

type blockInfo struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Len  int    `json:"len"`
}

// checkpoint is the content of a file in memory.
type checkpoint struct {
	manifest
	f32 map[string][]float32
	u32 map[string][]uint32
}

// add appends a block. Names must be unique.
func (c *checkpoint) addFloats(name string, x []float32) {
	if c.f32 == nil {
		c.f32 = map[string][]float32{}
	}
	c.f32[name] = x
	c.Blocks = append(c.Blocks, blockInfo{name, "f32", len(x)})
}

func (c *checkpoint) addInts(name string, x []uint32) {
	if c.u32 == nil {
		c.u32 = map[string][]uint32{}
	}
	c.u32[name] = x
	c.Blocks = append(c.Blocks, blockInfo{name, "u32", len(x)})
}

// encode returns the file's content.
func (c *checkpoint) encode() ([]byte, error) {
	head, err := json.Marshal(&c.manifest)
	if err != nil {
		return nil, err
	}
	if len(head) > maxManifest {
		return nil, fmt.Errorf("manifest of %d bytes, want at most %d", len(head), maxManifest)
	}
	size := headerSize + len(head) + sha256.Size
	for _, b := range c.Blocks {
		size += 4 * b.Len
	}
	out := make([]byte, 0, size)
	out = append(out, checkpointMagic...)
	out = binary.LittleEndian.AppendUint32(out, checkpointVersion)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(head)))
	out = append(out, head...)
	for _, b := range c.Blocks {
		for _, x := range c.f32[b.Name] {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
		}
		for _, x := range c.u32[b.Name] {
			out = binary.LittleEndian.AppendUint32(out, x)
		}
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:]...), nil
}

// readCheckpoint reads a file that may be anything: of another run, damaged, or
// made to harm. accept sees the manifest before a block is read, and refuses
// what the caller has no use for; what it accepts decides how much memory and
// time the rest can take.
func readCheckpoint(file string, accept func(*manifest) error) (*checkpoint, error) {
	// A name like this one could also stand for a pipe, whose opening waits for
	// a writer.
	if info, err := os.Stat(file); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is no regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	c, err := decodeCheckpoint(f, info.Size(), accept)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// decodeCheckpoint reads a checkpoint of a known size; see readCheckpoint. It
// believes no length before it has compared it with the size.
func decodeCheckpoint(r io.Reader, size int64, accept func(*manifest) error) (*checkpoint, error) {
	sum := sha256.New()
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(io.TeeReader(r, sum), head); err != nil || string(head[:8]) != checkpointMagic || size < headerSize+sha256.Size {
		return nil, errors.New("is no checkpoint")
	}
	if v := binary.LittleEndian.Uint32(head[8:]); v != checkpointVersion {
		return nil, fmt.Errorf("has format %d, this orch knows %d: use the orch that wrote it", v, checkpointVersion)
	}
	n := int64(binary.LittleEndian.Uint32(head[12:]))
	rest := size - headerSize - sha256.Size - n // of the blocks
	if n > maxManifest || rest < 0 {
		return nil, fmt.Errorf("claims a manifest of %d bytes in a file of %d", n, size)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(io.TeeReader(r, sum), text); err != nil {
		return nil, fmt.Errorf("manifest: %w", notEOF(err))
	}
	c := &checkpoint{f32: map[string][]float32{}, u32: map[string][]uint32{}}
	if err := json.Unmarshal(text, &c.manifest); err != nil {
		return nil, fmt.Errorf("is damaged: manifest: %w", err)
	}
	if err := c.checkBlocks(rest); err != nil {
		return nil, err
	}
	if err := accept(&c.manifest); err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<16)
	for _, b := range c.Blocks {
		x, y := make([]float32, 0), make([]uint32, 0)
		if b.Type == "f32" {
			x = make([]float32, b.Len)
		} else {
			y = make([]uint32, b.Len)
		}
		for i := 0; i < b.Len; {
			part := buf[:min(len(buf), 4*(b.Len-i))]
			if _, err := io.ReadFull(r, part); err != nil {
				return nil, fmt.Errorf("block %q: %w", b.Name, notEOF(err))
			}
			sum.Write(part)
			for ; len(part) > 0; part = part[4:] {
				if v := binary.LittleEndian.Uint32(part); b.Type == "f32" {
					x[i] = math.Float32frombits(v)
				} else {
					y[i] = v
				}
				i++
			}
		}
		if b.Type == "f32" {
			c.f32[b.Name] = x
		} else {
			c.u32[b.Name] = y
		}
	}
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(r, want); err != nil {
		return nil, fmt.Errorf("checksum: %w", notEOF(err))
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return nil, errors.New("is damaged: its checksum does not match")
	}
	return c, nil
}

// checkBlocks checks the list of blocks, which must fill a number of bytes.
func (m *manifest) checkBlocks(size int64) error {
	rest, seen := size, map[string]bool{}
	for _, b := range m.Blocks {
		if b.Len < 0 || int64(b.Len) > rest/4 {
			return fmt.Errorf("block %q claims %d elements, %d bytes are left", b.Name, b.Len, rest)
		}
		if b.Type != "f32" && b.Type != "u32" {
			return fmt.Errorf("block %q has type %q, want f32 or u32", b.Name, b.Type)
		}
		if seen[b.Name] {
			return fmt.Errorf("has two blocks %q", b.Name)
		}
		seen[b.Name] = true
		rest -= 4 * int64(b.Len)
	}
	if rest != 0 {
		return fmt.Errorf("has %d bytes more than its manifest says", rest)
	}
	return nil
}

// notEOF makes an end of file where more was promised an error by name.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Names of the checkpoints inside a run's folder.
const (
	checkpointDir = "ckpt"
	lastFile      = "last.ckpt"
	bestFile      = "best.ckpt"
)

// writeCheckpoints publishes files, by name and content, in dir/ckpt. Each
// appears whole or not at all, also after a power cut: temporary name, fsync,
// rename, and in the end fsync of the folder. Nothing is written outside dir.
//
// The best parameters alone are the output of a run that is over, not a state
// to resume from: cut off here, the run is attempted again in another folder.
// So they are written in place, which saves a short run half of its round
// trips to a file server.
func writeCheckpoints(dir string, files map[string]*checkpoint) error {
	if len(files) == 0 {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Mkdir(checkpointDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	put := publish
	if files[lastFile] == nil {
		put = write
	}
	// best before last: who finds a last.ckpt finds the best it speaks of.
	for _, name := range []string{bestFile, lastFile} {
		c := files[name]
		if c == nil {
			continue
		}
		data, err := c.encode()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := put(root, path.Join(checkpointDir, name), data); err != nil {
			return err
		}
	}
	if files[lastFile] == nil {
		return nil
	}
	d, err := root.Open(checkpointDir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// publish writes a file that appears whole.
func publish(root *os.Root, name string, data []byte) error {
	tmp := name + ".tmp" // one attempt, one writer: no need for a random name
	err := write(root, tmp, data)
	if err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		root.Remove(tmp) // as far as it goes: the disk may be full
	}
	return err
}

// write writes a file and waits until the disk has it.
func write(root *os.Root, name string, data []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
