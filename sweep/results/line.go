package results

import (
	"bytes"
	"hash/crc32"
)

// Every line of a journal or series is one JSON object whose last member is
// "sum", the CRC-32C of all bytes of the line before `,"sum":"`. So a line is
// valid JSON for any other program, and a torn or damaged one is known as such
// without trusting what stands in it.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	sumKey = `,"sum":"`
	sumLen = len(sumKey) + 8 + len(`"}`)
)

// maxLine bounds a line, so that a damaged file cannot ask for more memory.
const maxLine = 1 << 20

// sealLine ends a line whose object was begun at b[from:] and is still open:
// it appends the sum, the closing brace and the newline.
func sealLine(b []byte, from int) []byte {
	sum := crc32.Checksum(b[from:], castagnoli)
	b = append(b, sumKey...)
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[sum>>shift&15])
	}
	return append(b, '"', '}', '\n')
}

// checkLine reports whether line (without its newline) is intact, and returns
// the object without its sum, closed again: not a copy, so valid JSON only
// together with the brace that the caller may assume.
func checkLine(line []byte) (body []byte, ok bool) {
	n := len(line) - sumLen
	if n < 1 || line[0] != '{' || !bytes.HasPrefix(line[n:], []byte(sumKey)) || line[len(line)-2] != '"' || line[len(line)-1] != '}' {
		return nil, false
	}
	var sum uint32
	for _, c := range line[n+len(sumKey) : len(line)-2] {
		switch {
		case '0' <= c && c <= '9':
			sum = sum<<4 | uint32(c-'0')
		case 'a' <= c && c <= 'f':
			sum = sum<<4 | uint32(c-'a'+10)
		default:
			return nil, false
		}
	}
	return line[:n], crc32.Checksum(line[:n], castagnoli) == sum
}
