package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxIDX bounds the payload of an IDX file: 20 times MNIST's. A header that
// claims more is taken for damage.
const maxIDX = 1 << 30

// readIDX reads an IDX file of unsigned bytes, gzipped or not (told apart by
// the content), with a number of dimensions from lo to hi. The format (LeCun,
// http://yann.lecun.com/exdb/mnist): two zero bytes, the type (8: unsigned
// byte), the number of dimensions, each dimension as a big-endian uint32, the
// data. The data must be exactly as long as the dimensions say. Memory is
// taken as data arrives, never because a header promised it.
func readIDX(r io.Reader, lo, hi int) (dims []int, data []byte, err error) {
	br := bufio.NewReader(r)
	if head, err := br.Peek(2); err == nil && head[0] == 0x1f && head[1] == 0x8b {
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, nil, err
		}
		br = bufio.NewReader(zr)
	}
	magic := make([]byte, 4)
	if _, err := io.ReadFull(br, magic); err != nil {
		return nil, nil, fmt.Errorf("header of an IDX file: %w", notEOF(err))
	}
	rank := int(magic[3])
	if [3]byte(magic) != [3]byte{0, 0, 8} || rank < lo || rank > hi {
		return nil, nil, fmt.Errorf("starts with % x, want 00 00 08 and %02x to %02x (IDX, unsigned bytes, dimensions)", magic, lo, hi)
	}
	header := make([]byte, 4*rank)
	if _, err := io.ReadFull(br, header); err != nil {
		return nil, nil, fmt.Errorf("header of an IDX file: %w", notEOF(err))
	}
	size := uint64(1)
	for i := range rank {
		d := binary.BigEndian.Uint32(header[4*i:])
		// Both factors are below 2^32, so the product cannot wrap.
		if size *= uint64(d); size > maxIDX {
			return nil, nil, fmt.Errorf("header claims more than %d bytes of data", maxIDX)
		}
		dims = append(dims, int(d))
	}
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(br, int64(size)+1))
	switch {
	case err != nil:
		return nil, nil, notEOF(err)
	case uint64(n) < size:
		return nil, nil, fmt.Errorf("ends after %d of the %d bytes of data its header claims", n, size)
	case uint64(n) > size:
		return nil, nil, fmt.Errorf("has more than the %d bytes of data its header claims", size)
	}
	return dims, buf.Bytes(), nil
}

// notEOF makes an end of file where more was promised an error by name.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readIDXFile reads one file; see [readIDX].
func readIDXFile(path string, lo, hi int) (dims []int, data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	dims, data, err = readIDX(f, lo, hi)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w; fetch the file again", path, err)
	}
	return dims, data, nil
}
