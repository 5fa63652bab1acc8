package report

import (
	"fmt"
	"strings"

	"orch/sweep/override"
)

// same compares a value of [study] with a swept one: numbers by value, so that
// 1 and 1.0 agree, the rest by text, so that 64 and "64" do.
func same(a, b override.Value) bool {
	x, okA := a.Float()
	y, okB := b.Float()
	return okA && okB && x == y || a.Text() == b.Text()
}

// quote shows a value as it would be typed in the sweep file.
func quote(v override.Value) string {
	if s, ok := v.Str(); ok {
		return fmt.Sprintf("%q", s)
	}
	return v.Text()
}

// nearest returns the word that was most likely meant, or "" if none is within
// one edit in three letters (Levenshtein 1966).
func nearest(word string, among []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, c := range among {
		if d := edits(strings.ToLower(word), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
