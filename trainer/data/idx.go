package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// maxIDX bounds the payload of an IDX file: 20 times MNIST's. A header that
// claims more is taken for damage.
const maxIDX = 1 << 30

// array is the content of an IDX file: bytes if it has unsigned ones, as images
// have, else numbers.
type array struct {
	dims    []int
	bytes   []byte
	numbers []float32
}

// idxTypes are the types of elements by their code: size, and how to read one.
var idxTypes = map[byte]struct {
	size int
	read func(b []byte) float32
}{
	0x08: {1, nil}, // unsigned bytes are kept
	0x09: {1, func(b []byte) float32 { return float32(int8(b[0])) }},
	0x0b: {2, func(b []byte) float32 { return float32(int16(binary.BigEndian.Uint16(b))) }},
	0x0c: {4, func(b []byte) float32 { return float32(int32(binary.BigEndian.Uint32(b))) }},
	0x0d: {4, func(b []byte) float32 { return math.Float32frombits(binary.BigEndian.Uint32(b)) }},
	0x0e: {8, func(b []byte) float32 { return float32(math.Float64frombits(binary.BigEndian.Uint64(b))) }},
}

// readIDX reads an IDX file, gzipped or not (told apart by the content), with a
// number of dimensions from lo to hi. The format (LeCun,
// http://yann.lecun.com/exdb/mnist): two zero bytes, the type of the elements,
// the number of dimensions, each dimension as a big-endian uint32, the data,
// big-endian too. The data must be exactly as long as the dimensions say. Memory
// is taken as data arrives, never because a header promised it.
func readIDX(r io.Reader, lo, hi int) (array, error) {
	br := bufio.NewReader(r)
	if head, err := br.Peek(2); err == nil && head[0] == 0x1f && head[1] == 0x8b {
		zr, err := gzip.NewReader(br)
		if err != nil {
			return array{}, err
		}
		br = bufio.NewReader(zr)
	}
	magic := make([]byte, 4)
	if _, err := io.ReadFull(br, magic); err != nil {
		return array{}, fmt.Errorf("header of an IDX file: %w", notEOF(err))
	}
	kind, known := idxTypes[magic[2]]
	rank := int(magic[3])
	if magic[0] != 0 || magic[1] != 0 || !known || rank < lo || rank > hi {
		return array{}, fmt.Errorf("starts with % x, want 00 00, a type (08 for unsigned bytes, 09, or 0b to 0e) and %02x to %02x dimensions: is it IDX?", magic, lo, hi)
	}
	header := make([]byte, 4*rank)
	if _, err := io.ReadFull(br, header); err != nil {
		return array{}, fmt.Errorf("header of an IDX file: %w", notEOF(err))
	}
	var a array
	size := uint64(kind.size)
	for i := range rank {
		d := binary.BigEndian.Uint32(header[4*i:])
		// Both factors are below 2^32, so the product cannot wrap.
		if size *= uint64(d); size > maxIDX {
			return array{}, fmt.Errorf("header claims more than %d bytes of data", maxIDX)
		}
		a.dims = append(a.dims, int(d))
	}
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(br, int64(size)+1))
	switch {
	case err != nil:
		return array{}, notEOF(err)
	case uint64(n) < size:
		return array{}, fmt.Errorf("ends after %d of the %d bytes of data its header claims", n, size)
	case uint64(n) > size:
		return array{}, fmt.Errorf("has more than the %d bytes of data its header claims", size)
	}
	if kind.read == nil {
		a.bytes = buf.Bytes()
		return a, nil
	}
	a.numbers = make([]float32, 0, buf.Len()/kind.size)
	for b := buf.Bytes(); len(b) > 0; b = b[kind.size:] {
		x := kind.read(b)
		if x-x != 0 {
			return array{}, fmt.Errorf("number %d is %v", len(a.numbers), x)
		}
		a.numbers = append(a.numbers, x)
	}
	return a, nil
}

// labels returns the elements as numbers of classes.
func (a array) labels() ([]byte, error) {
	if a.numbers == nil {
		return a.bytes, nil
	}
	labels := make([]byte, len(a.numbers))
	for i, x := range a.numbers {
		if labels[i] = byte(x); float32(labels[i]) != x {
			return nil, fmt.Errorf("label %v of example %d is no number of a class, 0 to %d", x, i, maxClasses-1)
		}
	}
	return labels, nil
}

// notEOF makes an end of file where more was promised an error by name.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readIDXFile reads one file; see [readIDX].
func readIDXFile(path string, lo, hi int) (array, error) {
	f, err := os.Open(path)
	if err != nil {
		return array{}, err
	}
	defer f.Close()
	a, err := readIDX(f, lo, hi)
	if err != nil {
		return array{}, fmt.Errorf("%s: %w; fetch the file again", path, err)
	}
	return a, nil
}
