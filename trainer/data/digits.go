package data

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// digitsCSV is described in DIGITS-LICENSE.md (CC BY 4.0, Alpaydin and Kaynak).
//
//go:embed digits.csv.gz
var digitsCSV []byte

// digits decodes the embedded set at its first use: a program that trains
// nothing must not pay for it at its start.
var digits = sync.OnceValues(func() (*Source, error) {
	zr, err := gzip.NewReader(bytes.NewReader(digitsCSV))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(zr)
	if err != nil {
		return nil, err
	}
	return parseDigits(string(text))
})

// parseDigits reads lines of 64 counts of 0..16 and a label.
func parseDigits(text string) (*Source, error) {
	const features = 64
	var pixels, labels []byte
	for line := range strings.Lines(text) {
		n := 0
		for field := range strings.SplitSeq(strings.TrimSpace(line), ",") {
			b, err := strconv.ParseUint(field, 10, 8)
			switch {
			case err != nil:
				return nil, fmt.Errorf("line %d: %w", len(labels)+1, err)
			case n < features && b > 16:
				return nil, fmt.Errorf("line %d: count %d is not in 0..16", len(labels)+1, b)
			case n < features:
				pixels = append(pixels, byte(b))
			case n == features:
				labels = append(labels, byte(b))
			}
			n++
		}
		if n != features+1 {
			return nil, fmt.Errorf("line %d: %d fields, want %d", len(labels)+1, n, features+1)
		}
	}
	set, err := newImages([]int{8, 8}, 10, 16, pixels, nil, labels)
	return &Source{All: set}, err
}
