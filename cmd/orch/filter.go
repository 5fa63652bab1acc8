package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"orch/sweep/override"
	"orch/sweep/results"
)

// condition is one part of --filter: column, comparison, value.
type condition struct {
	column, op string
	words      []string       // of = and !=: any of them
	number     float64        // of the others, if value is one
	isNumber   bool           //
	value      string         //
	pattern    *regexp.Regexp // of ~ and !~
}

var termForm = regexp.MustCompile(`^([^=!<>~\s]+)(==|=|!=|<=|>=|<|>|!~|~)(.*)$`)

// parseFilter reads conditions with blanks between them, all of which must
// hold: "state=failed,lost training.lr<1e-3 reason~memory". Quotes keep blanks
// together.
func parseFilter(s string) ([]condition, error) {
	var terms []condition
	for _, word := range splitWords(s) {
		m := termForm.FindStringSubmatch(word)
		if m == nil {
			return nil, usage("--filter %q: want COLUMN and a comparison (= != < <= > >= ~ !~): state=failed, lr<1e-3, reason~memory", word)
		}
		t := condition{column: m[1], op: m[2], value: m[3]}
		switch t.op {
		case "=", "==", "!=":
			t.words = strings.Split(t.value, ",")
			if t.column == "state" {
				for _, w := range t.words {
					if err := checkState(w); err != nil {
						return nil, err
					}
				}
			}
		case "~", "!~":
			var err error
			if t.pattern, err = regexp.Compile(t.value); err != nil {
				return nil, usage("--filter %q: %v", word, err)
			}
		default:
			if t.number, t.isNumber = numeric(t.value); !t.isNumber && t.value == "" {
				return nil, usage("--filter %q: compare with what?", word)
			}
		}
		terms = append(terms, t)
	}
	return terms, nil
}

// checkState refuses what no run's state can be; to find nothing would say that
// there is nothing.
func checkState(word string) error {
	if _, ok := looks[word]; ok {
		return nil
	}
	if _, ok := results.ParseClass(word); ok {
		return usage("--filter: no run can be in the state %q (did you mean class=%s?)", word, word)
	}
	states := slices.Sorted(maps.Keys(looks))
	hint := didYouMean(word, states)
	if hint == "" {
		hint = ": there are " + strings.Join(states, ", ")
	}
	return usage("--filter: no run can be in the state %q%s", word, hint)
}

// splitWords splits at blanks outside of quotes.
func splitWords(s string) []string {
	var words []string
	var word strings.Builder
	quote, in := rune(0), false
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, in = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words
}

func numeric(s string) (float64, bool) {
	v, sweep, err := override.ParseValue(s)
	if err != nil || sweep != nil || v.IsQuoted() {
		return 0, false
	}
	return v.Float()
}

// holds reports whether a run meets the condition. A run without a value in the
// column meets only the negative ones.
func (t *condition) holds(r *runRow) (ok, known bool) {
	v, known := r.cell(t.column)
	if !known || v.IsNull() {
		return strings.HasPrefix(t.op, "!"), known
	}
	x, isNumber := v.Float()
	switch t.op {
	case "=", "==", "!=":
		equal := slices.ContainsFunc(t.words, func(w string) bool {
			if n, ok := numeric(w); ok && isNumber {
				return n == x
			}
			return w == v.Text()
		})
		return equal == (t.op != "!="), true
	case "~", "!~":
		return t.pattern.MatchString(v.Text()) == (t.op == "~"), true
	}
	c := strings.Compare(v.Text(), t.value)
	if t.isNumber {
		if !isNumber {
			return false, true
		}
		c = compareFloats(x, t.number)
	}
	switch t.op {
	case "<":
		return c < 0, true
	case "<=":
		return c <= 0, true
	case ">":
		return c > 0, true
	}
	return c >= 0, true
}

// compareFloats orders NaN before everything.
func compareFloats(a, b float64) int {
	switch {
	case a < b || a != a && b == b:
		return -1
	case a > b || b != b && a == a:
		return 1
	}
	return 0
}

// selectRows filters and sorts. A column that no run of the sweeps has is an
// error: a misspelled condition must not show an empty table.
func selectRows(views []*view, filter, order string) ([]runRow, error) {
	terms, err := parseFilter(filter)
	if err != nil {
		return nil, err
	}
	used := make([]bool, len(terms))
	var rows []runRow
	total := 0
	for _, v := range views {
		all := v.rows()
		total += len(all)
		for i := range all {
			keep := true
			for k := range terms {
				if !keep && used[k] {
					continue
				}
				ok, known := terms[k].holds(&all[i])
				used[k] = used[k] || known
				keep = keep && ok
			}
			if keep {
				rows = append(rows, all[i])
			}
		}
	}
	for k, t := range terms {
		if !used[k] && total > 0 {
			return nil, unknownColumn("--filter", t.column, views)
		}
	}
	return rows, sortRows(views, rows, order)
}

func unknownColumn(flag, name string, views []*view) error {
	var known []string
	for _, v := range views {
		known = append(known, v.known()...)
	}
	return usage("%s: no run has a column, metric or config key %q%s", flag, name, didYouMean(name, known))
}

// sortRows sorts by columns, "-" in front for descending: "-elapsed,run". Runs
// without a value come last.
func sortRows(views []*view, rows []runRow, order string) error {
	if order == "" {
		return nil
	}
	for _, key := range slices.Backward(strings.Split(order, ",")) { // stable: the last key first
		name, descending := strings.CutPrefix(key, "-")
		if !isFixed(name) && len(rows) > 0 && !slices.ContainsFunc(rows, func(r runRow) bool { _, ok := r.cell(name); return ok }) {
			return unknownColumn("--sort", name, views)
		}
		cells := make(map[string]override.Value, len(rows))
		at := func(r *runRow) string { return r.v.sweep.Name + "/" + r.st.Run.ID }
		for i := range rows {
			cells[at(&rows[i])], _ = rows[i].cell(name)
		}
		slices.SortStableFunc(rows, func(a, b runRow) int {
			x, y := cells[at(&a)], cells[at(&b)]
			switch {
			case x.IsNull() && y.IsNull():
				return 0
			case x.IsNull():
				return 1
			case y.IsNull():
				return -1
			}
			c := 0
			if f, ok := x.Float(); ok {
				if g, ok := y.Float(); ok {
					c = compareFloats(f, g)
				}
			} else {
				c = strings.Compare(x.Text(), y.Text())
			}
			if descending {
				c = -c
			}
			return c
		})
	}
	return nil
}

// columnList reads --columns.
func columnList(views []*view, s string) ([]string, error) {
	names := strings.Split(s, ",")
	for i, n := range names {
		n = strings.TrimSpace(n)
		names[i] = n
		if isFixed(n) {
			continue
		}
		found, runs := false, 0
		for _, v := range views {
			for i := range v.states {
				r := runRow{v: v, st: &v.states[i]}
				runs++
				if _, ok := r.cell(n); ok {
					found = true
					break
				}
			}
		}
		if !found && runs > 0 {
			return nil, unknownColumn("--columns", n, views)
		}
	}
	return names, nil
}
