package nn

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
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
// file is known from its first part, and it is checked before any element is
// read. An element is a float32 ("f32") or a uint32 ("u32").
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

// decodeCheckpoint reads a file's content. It believes no length before it has
// compared it with the length of the file.
func decodeCheckpoint(file []byte) (*checkpoint, error) {
	if len(file) < headerSize+sha256.Size || string(file[:8]) != checkpointMagic {
		return nil, errors.New("is no checkpoint")
	}
	if v := binary.LittleEndian.Uint32(file[8:]); v != checkpointVersion {
		return nil, fmt.Errorf("has format %d, this orch knows %d: use the orch that wrote it", v, checkpointVersion)
	}
	n := uint64(binary.LittleEndian.Uint32(file[12:]))
	body, sum := file[:len(file)-sha256.Size], file[len(file)-sha256.Size:]
	if n > maxManifest || headerSize+n > uint64(len(body)) {
		return nil, fmt.Errorf("claims a manifest of %d bytes in a file of %d", n, len(file))
	}
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, errors.New("is damaged: its checksum does not match")
	}
	c := &checkpoint{f32: map[string][]float32{}, u32: map[string][]uint32{}}
	if err := json.Unmarshal(body[headerSize:headerSize+n], &c.manifest); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	rest := body[headerSize+n:]
	for _, b := range c.Blocks {
		if b.Len < 0 || b.Len > len(rest)/4 {
			return nil, fmt.Errorf("block %q claims %d elements, %d bytes are left", b.Name, b.Len, len(rest))
		}
		var data []byte
		data, rest = rest[:4*b.Len], rest[4*b.Len:]
		if c.f32[b.Name] != nil || c.u32[b.Name] != nil {
			return nil, fmt.Errorf("has two blocks %q", b.Name)
		}
		switch b.Type {
		case "f32":
			x := make([]float32, b.Len)
			for i := range x {
				x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
			}
			c.f32[b.Name] = x
		case "u32":
			x := make([]uint32, b.Len)
			for i := range x {
				x[i] = binary.LittleEndian.Uint32(data[4*i:])
			}
			c.u32[b.Name] = x
		default:
			return nil, fmt.Errorf("block %q has type %q, want f32 or u32", b.Name, b.Type)
		}
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("has %d bytes more than its manifest says", len(rest))
	}
	return c, nil
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
