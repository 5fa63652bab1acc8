package report

import "strings"

// The formats that people read share one document: a list of blocks with
// neutral text, made by compose. A renderer (Markdown, HTML, PDF) only decides
// what a block looks like, so that all of them say the same, and a new section
// is written once.

// document is the report in reading order.
type document struct {
	title  string
	blocks []block
}

// block is one of: heading, paragraph, verdict, formula, list, table, figure.
type block struct {
	kind  blockKind
	text  []inline   // heading, paragraph, verdict
	items [][]inline // list
	table *table
	fig   *figure
	good  Outcome // verdict: its colour; empty is exploratory
}

type blockKind int

const (
	headingBlock blockKind = iota
	paragraphBlock
	verdictBlock
	formulaBlock // text[0] is LaTeX
	listBlock
	tableBlock
	figureBlock
)

// inline is a piece of text with one look. No renderer may take anything in it
// for markup, except prose: the author's own Markdown and $math$.
type inline struct {
	look look
	s    string
}

type look int

const (
	plain look = iota
	strong
	mono  // a name or value as typed
	prose // from [study]: may hold $math$
)

// table is a table with a header. Named tables are also written as
// tables/<name>.tex.
type table struct {
	name    string
	head    []cell
	rows    [][]cell
	align   string // l or r per column
	caption []inline
	runs    bool // a row is a run: there may be ten thousand
}

type cell []inline

func text(s string) cell   { return cell{{plain, s}} }
func name(s string) cell   { return cell{{mono, s}} }
func fat(s string) cell    { return cell{{strong, s}} }
func author(s string) cell { return cell{{prose, s}} }

// join puts pieces together.
func join(parts ...[]inline) []inline {
	var out []inline
	for _, p := range parts {
		for _, x := range p {
			if x.s != "" {
				out = append(out, x)
			}
		}
	}
	return out
}

// separated joins pieces with a text between them.
func separated(by string, parts ...cell) []inline {
	var out []inline
	for i, p := range parts {
		if i > 0 {
			out = append(out, inline{plain, by})
		}
		out = append(out, p...)
	}
	return out
}

// bare is the text of pieces without their looks.
func bare(parts []inline) string {
	s := ""
	for _, p := range parts {
		s += p.s
	}
	return s
}

func (d *document) heading(s string) {
	d.blocks = append(d.blocks, block{kind: headingBlock, text: text(s)})
}
func (d *document) para(parts ...[]inline) {
	d.blocks = append(d.blocks, block{kind: paragraphBlock, text: join(parts...)})
}
func (d *document) list(items ...[]inline) {
	d.blocks = append(d.blocks, block{kind: listBlock, items: items})
}
func (d *document) add(t *table) { d.blocks = append(d.blocks, block{kind: tableBlock, table: t}) }

// newTable begins a table.
func newTable(name, align string, head ...string) *table {
	t := &table{name: name, align: align}
	for _, h := range head {
		t.head = append(t.head, text(h))
	}
	return t
}

func (t *table) row(cells ...cell) { t.rows = append(t.rows, cells) }

// edges returns the blank that a piece begins with and the one that it ends
// with: escaping trims both.
func edges(s string) (before, after string) {
	if strings.HasPrefix(s, " ") {
		before = " "
	}
	if strings.HasSuffix(s, " ") && strings.TrimSpace(s) != "" {
		after = " "
	}
	return before, after
}
