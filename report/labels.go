package report

import (
	"slices"
	"strconv"
	"strings"

	"orch/report/collect"
)

// longNumber is from how many letters on a swept number is shown rounded:
// logspace gives 0.000316227766017, which no axis of a figure has room for.
const longNumber = 8

// shownValues returns how the values of a key are shown where the text itself
// is too long: numbers with as few digits, from three on, as keep all values of
// the key apart. Files for programs have them in full.
func shownValues(runs []*collect.Run, key string) map[string]string {
	var texts []string
	for _, g := range groups(runs, []string{key}) {
		texts = append(texts, g.settings[0])
	}
	isLong := func(s string) bool {
		_, err := strconv.ParseFloat(s, 64)
		return err == nil && len(s) >= longNumber && strings.ContainsAny(s, ".e")
	}
	if !slices.ContainsFunc(texts, isLong) {
		return nil
	}
	for digits := 3; digits <= 17; digits++ {
		shown, taken := map[string]string{}, map[string]bool{}
		for _, s := range texts {
			short := s
			if isLong(s) {
				x, _ := strconv.ParseFloat(s, 64)
				short = strconv.FormatFloat(x, 'g', digits, 64)
			}
			shown[s], taken[short] = short, true
		}
		if len(taken) == len(texts) {
			return shown
		}
	}
	return nil
}

// shown is the value of a swept key for readers, on one line.
func (r *Report) shown(key, value string) string {
	if s, ok := r.rounded[key][value]; ok {
		return s
	}
	return cmpOr(oneLine(value), "(empty)")
}

// label names a row of the main table: the value of its factor, or of all.
func (r *Report) label(settings []string) string {
	var parts []string
	for i, s := range settings {
		parts = append(parts, r.shown(r.Factors[i], s))
	}
	return cmpOr(strings.Join(parts, ", "), "all runs")
}

// repeats says what the runs of a row differ in, for captions.
func (r *Report) repeats() string {
	if len(r.Seeds) == 0 {
		return ""
	}
	return ", which differ in " + oneLine(strings.Join(r.Seeds, ", "))
}

// span writes the sizes of samples: "n = 5" or "n = 3 to 5".
func span(least, most int) string {
	if least == most {
		return "n = " + strconv.Itoa(most)
	}
	return "n = " + strconv.Itoa(least) + " to " + strconv.Itoa(most)
}
