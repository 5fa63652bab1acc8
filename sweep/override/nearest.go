package override

import "unicode"

// Nearest returns the candidate that is most like word, for a "did you mean", or
// "" if none is near: the number of edits (a letter more, less or other, or two
// neighbours swapped; case does not count) may be at most a third of the letters
// of the longer of the two. Of several equally near, the first wins.
func Nearest(word string, candidates []string) string {
	w := fold(word)
	best, least := "", 0
	for _, c := range candidates {
		f := fold(c)
		most := max(len(w), len(f)) / 3
		if best != "" {
			most = min(most, least-1)
		}
		if d := edits(w, f, most); d <= most {
			best, least = c, d
		}
	}
	return best
}

func fold(s string) []rune {
	r := []rune(s)
	for i := range r {
		r[i] = unicode.ToLower(r[i])
	}
	return r
}

// edits returns the edit distance with swaps of neighbours (the "optimal string
// alignment" variant of Damerau 1964), or some number above most.
func edits(a, b []rune, most int) int {
	if d := len(a) - len(b); d > most || -d > most || most < 0 {
		return most + 1
	}
	// Rows i-2, i-1 and i of the usual table.
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			row[j] = d
			least = min(least, d)
		}
		if least > most {
			return most + 1
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}
