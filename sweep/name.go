package sweep

import (
	"strconv"
	"strings"

	"orch/sweep/override"
)

// Bounds of a run's name, in bytes. With the index and the digits of the
// identity a name stays below 64, so that tools which pad or cut columns, and
// paths on old file systems, are at ease.
const (
	maxLabel = 48
	maxPiece = 24
	maxKey   = 12
	idInName = 4
)

// A run's name is its index in the sweep, the swept values and four digits of
// its identity: 0042-net5-lr0.01-s3-9f3a. It is a folder name, so it is made
// of [A-Za-z0-9._-] alone, whatever the values hold.
func appendName(b []byte, index int, label []byte, id string) []byte {
	b = appendIndex(b, index)
	b = append(b, label...)
	b = append(b, '-')
	return append(b, id[:idInName]...)
}

func appendIndex(b []byte, index int) []byte {
	for limit := 1000; limit > 1 && index < limit; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(index), 10)
}

// appendPiece appends a piece to a label if the label has room for it.
func appendPiece(label []byte, piece string) []byte {
	if piece == "" || len(label)+1+len(piece) > maxLabel {
		return label
	}
	label = append(label, '-')
	return append(label, piece...)
}

// labelPiece is how a value of an axis shows in a name: a group's option by
// its name alone, anything else behind the last part of its key.
func labelPiece(key string, group bool, v override.Value) string {
	text := safeText(v.Text())
	if !group {
		text = shortKey(key) + text
	}
	return clip(text, maxPiece)
}

func shortKey(key string) string {
	if seedKey(key) {
		return "s"
	}
	parts := strings.Split(key, ".")
	last := parts[len(parts)-1]
	if _, err := strconv.Atoi(last); err == nil && len(parts) > 1 {
		last = parts[len(parts)-2] + last // xs.0
	}
	return clip(safeText(last), maxKey)
}

// safeText keeps the safe characters; each run of others becomes one '_', none
// at the ends.
func safeText(s string) string {
	var b strings.Builder
	gap := false
	for i := 0; i < len(s) && b.Len() < maxPiece; i++ {
		c := s[i]
		safe := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'
		if !safe {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('_')
		}
		gap = false
		b.WriteByte(c)
	}
	return b.String()
}

func clip(s string, n int) string { return s[:min(len(s), n)] }
