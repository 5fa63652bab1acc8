package launcher

import "strings"

// Nearest returns the candidate that a user who typed name most likely meant,
// or "" if none is close: at most one edit in three characters, where an edit
// is a letter added, dropped, changed, or swapped with its neighbour. Case and
// the difference between "-" and "_" cost nothing.
func Nearest(name string, candidates []string) string {
	fold := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	best, least := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(fold(name), fold(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the optimal string alignment distance (Damerau 1964, without
// edits inside a swapped pair), by bytes: keys are ASCII.
func distance(a, b string) int {
	before, prev := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
}
