package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"orch/report/collect"
	"orch/sweep/override"
)

// outputs are what -o may be.
var outputs = []string{"table", "wide", "json", "jsonl", "csv", "tsv", "md"}

func outputFlags() []cli.Flag {
	return []cli.Flag{
		jsonFlag(),
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT`: " + strings.Join(outputs, ", ")},
		&cli.BoolFlag{Name: "no-header", Usage: "without the line of column names"},
	}
}

// format returns the output format that was asked for.
func (p *program) format(c *cli.Context) (string, error) {
	switch o := c.String("output"); {
	case o == "" && c.Bool("json"):
		return "json", nil
	case o == "" && p.outTTY:
		return "table", nil
	case o == "":
		return "tsv", nil
	case !slices.Contains(outputs, o):
		return "", usage("--output %s: want %s%s", o, strings.Join(outputs, ", "), didYouMean(o, outputs))
	case c.Bool("json") && o != "json":
		return "", usage("--json and --output %s: take one of them", o)
	default:
		return o, nil
	}
}

// grid is a table to print: a cell is a value for programs and a text for people.
type grid struct {
	heads []string
	right []bool
	rows  [][]cell
}

type cell struct {
	value  override.Value
	text   string // for people; empty: the value's own text
	colour string
}

func (c cell) shown() string {
	switch {
	case c.text != "":
		return c.text
	case c.value.IsNull():
		return ""
	}
	return oneLine(c.value.Text())
}

// print writes the grid as one of the formats, json apart, which is no table.
func (g *grid) print(p *program, format string, header bool) error {
	switch format {
	case "csv":
		return g.csv(p.stdout, header)
	case "tsv":
		return g.tabs(p.stdout, header)
	case "md":
		return g.markdown(p.stdout)
	case "jsonl":
		return g.jsonLines(p.stdout)
	case "wide":
		return g.aligned(p, header, 0)
	}
	columns := 0
	if p.outTTY {
		columns = width(p.stdout)
	}
	return g.aligned(p, header, columns)
}

// csv writes the grid by the rules of the collected tables: no text of a program
// becomes a formula of a spreadsheet.
func (g *grid) csv(w io.Writer, header bool) error {
	var heads []string
	if header {
		heads = g.heads
	}
	c := collect.NewCSV(w, heads...)
	for _, row := range g.rows {
		for _, x := range row {
			if x.value.IsNull() {
				c.Empty()
			} else {
				c.Value(x.value)
			}
		}
		c.End()
	}
	return c.Flush()
}

// tabs writes tab-separated values; tabs and line ends inside a value become
// blanks, since the format has no quoting.
func (g *grid) tabs(w io.Writer, header bool) error {
	b := bufio.NewWriterSize(w, 64<<10)
	if header {
		b.WriteString(strings.Join(g.heads, "\t") + "\n")
	}
	blank := strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")
	for _, row := range g.rows {
		for i, c := range row {
			if i > 0 {
				b.WriteByte('\t')
			}
			blank.WriteString(b, textOf(c.value))
		}
		b.WriteByte('\n')
	}
	return b.Flush() // the first error of all
}

func (g *grid) markdown(w io.Writer) error {
	escape := strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ")
	line := func(texts []string) string { return "| " + strings.Join(texts, " | ") + " |\n" }
	rule := make([]string, len(g.heads))
	for i := range rule {
		rule[i] = "---"
		if g.right[i] {
			rule[i] = "--:"
		}
	}
	var b strings.Builder
	b.WriteString(line(g.heads) + line(rule))
	for _, row := range g.rows {
		texts := make([]string, len(row))
		for i, c := range row {
			texts[i] = escape.Replace(c.shown())
		}
		b.WriteString(line(texts))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// jsonLines writes one object a row, its members in the order of the columns.
func (g *grid) jsonLines(w io.Writer) error {
	var b []byte
	for _, row := range g.rows {
		b = append(b, '{')
		for i, c := range row {
			if i > 0 {
				b = append(b, ',')
			}
			b = override.StringValue(g.heads[i]).AppendJSON(b)
			b = append(b, ':')
			v, err := json.Marshal(finite(c.value))
			if err != nil {
				return err
			}
			b = append(b, v...)
		}
		b = append(b, '}', '\n')
	}
	_, err := w.Write(b)
	return err
}

// finite replaces NaN and infinities by null, for JSON.
func finite(v override.Value) override.Value {
	if x, ok := v.Float(); ok && (x != x || x-x != 0) {
		return override.NullValue()
	}
	return v
}

// aligned lays the grid out for people, within so many columns (0: any number):
// first the last column is shortened, the one that explains, then columns from
// the right are left out, which a line below names. The first three, which say
// what is what, stay; for them the last is shortened further, or left out.
func (g *grid) aligned(p *program, header bool, columns int) error {
	wide := make([]int, len(g.heads))
	for i, h := range g.heads {
		if header {
			wide[i] = utf8.RuneCountInString(h)
		}
		for _, row := range g.rows {
			wide[i] = max(wide[i], utf8.RuneCountInString(row[i].shown()))
		}
	}
	var shown, out []int
	for i := range g.heads {
		if slices.ContainsFunc(g.rows, func(row []cell) bool { return row[i].shown() != "" }) || len(g.rows) == 0 {
			shown = append(shown, i)
		}
	}
	total := func() int {
		n := -2
		for _, i := range shown {
			n += wide[i] + 2
		}
		return n
	}
	const explains = 24      // columns that the explanation keeps, as long as others can be left out
	const explainsLeast = 10 // and at least
	last := len(g.heads) - 1
	if columns > 0 {
		natural := wide[last]
		hasLast := len(shown) > 1 && shown[len(shown)-1] == last && !g.right[last]
		if hasLast {
			wide[last] = max(min(wide[last], explains), wide[last]-max(0, total()-columns))
		}
		stay := 3
		if hasLast {
			stay++
		}
		for len(shown) > stay && total() > columns {
			k := len(shown) - 1
			if hasLast {
				k--
			}
			out = append(out, shown[k])
			shown = slices.Delete(shown, k, k+1)
		}
		if over := total() - columns; hasLast && over > 0 {
			if wide[last]-over >= explainsLeast {
				wide[last] -= over
			} else if len(shown) > 3 {
				out = append([]int{last}, out...)
				shown, hasLast = shown[:len(shown)-1], false
			}
		}
		if hasLast {
			wide[last] = min(natural, wide[last]+max(0, columns-total()))
		}
	}
	var b strings.Builder
	line := func(texts func(i int) (string, string)) {
		var l strings.Builder
		for n, i := range shown {
			s, colour := texts(i)
			if columns > 0 && utf8.RuneCountInString(s) > wide[i] {
				s = clip(s, wide[i])
			}
			pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(s))
			if g.right[i] {
				l.WriteString(pad)
			}
			l.WriteString(p.paint(colour, s))
			if n < len(shown)-1 {
				if !g.right[i] {
					l.WriteString(pad)
				}
				l.WriteString("  ")
			}
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	if header {
		line(func(i int) (string, string) { return g.heads[i], dim })
	}
	for _, row := range g.rows {
		line(func(i int) (string, string) { return row[i].shown(), row[i].colour })
	}
	if len(out) > 0 {
		var names []string
		for _, i := range slices.Backward(out) {
			names = append(names, g.heads[i])
		}
		fmt.Fprintf(&b, "%s\n", p.paint(dim, "left out: "+strings.Join(names, ", ")+" (-o wide shows all)"))
	}
	_, err := io.WriteString(p.stdout, b.String())
	return err
}

// printJSON prints one JSON document on stdout.
func (p *program) printJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetEscapeHTML(false)
	if p.outTTY {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}
