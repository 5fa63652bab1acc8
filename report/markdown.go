package report

import (
	"fmt"
	"strings"
)

// Markdown renders the report as one file of GitHub-flavoured Markdown that
// pandoc reads too, and its tables as tables/<name>.md, to be pasted. Names and messages come from programs and files: they are
// escaped so that no pipe, newline or tag in them changes the document.
var Markdown = Format{Name: "md", Render: func(r *Report) ([]File, error) {
	m := &markdown{}
	d := compose(r)
	m.document(d)
	files := []File{{Name: "report.md", Data: []byte(m.b.String())}}
	for _, b := range d.blocks {
		if b.kind == tableBlock && b.table.name != "" {
			m := &markdown{}
			m.tableBlock(b.table)
			files = append(files, File{"tables/" + b.table.name + ".md", []byte(m.b.String())})
		}
	}
	return files, nil
}}

type markdown struct{ b strings.Builder }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(&m.b, format+"\n", args...) }

func (m *markdown) document(d *document) {
	m.line("# %s\n", mdText(d.title))
	for _, b := range d.blocks {
		switch b.kind {
		case headingBlock:
			m.line("## %s\n", mdInline(b.text))
		case paragraphBlock:
			m.line("%s\n", mdInline(b.text))
		case verdictBlock:
			m.line("> %s\n", mdInline(b.text))
		case formulaBlock:
			m.line("%s\n", mdFormula(b.text[0].s))
		case listBlock:
			for _, item := range b.items {
				m.line("- %s", mdInline(item))
			}
			m.line("")
		case tableBlock:
			m.tableBlock(b.table)
		case figureBlock:
			m.line("![%s](fig/%s.svg)\n", mdText(b.fig.name), b.fig.name)
			m.line("%s\n", mdText(b.fig.caption))
		}
	}
}

func (m *markdown) tableBlock(t *table) {
	m.table(t)
	if len(t.caption) > 0 {
		m.line("%s\n", mdInline(t.caption))
	}
}

// mdInline renders text pieces.
func mdInline(parts []inline) string {
	var b strings.Builder
	for _, p := range parts {
		s := p.s
		before, after := edges(s)
		switch p.look {
		case strong:
			s = "**" + mdText(s) + "**"
		case mono:
			s = code(s)
		case prose:
			s = mdProse(s)
		default:
			s = mdText(s)
		}
		b.WriteString(before + s + after)
	}
	return b.String()
}

// table writes a table with padded columns, so that the source reads well too.
func (m *markdown) table(t *table) {
	rows := make([][]string, 0, len(t.rows)+1)
	widths := make([]int, len(t.align))
	for _, cells := range append([][]cell{t.head}, t.rows...) {
		row := make([]string, len(cells))
		for j, c := range cells {
			if len(c) > 0 && c[0].look == prose {
				row[j] = mdCell(mdProse(c[0].s))
			} else {
				row[j] = strings.TrimSpace(mdInline(c))
			}
			widths[j] = min(max(widths[j], len([]rune(row[j])), 3), 48)
		}
		rows = append(rows, row)
	}
	for i, row := range rows {
		m.b.WriteString("|")
		for j, cell := range row {
			m.b.WriteString(" " + pad(cell, widths[j], t.align[j] == 'r') + " |")
		}
		m.b.WriteString("\n")
		if i == 0 {
			m.b.WriteString("|")
			for j, w := range widths {
				dashes := strings.Repeat("-", w+1)
				if t.align[j] == 'r' {
					m.b.WriteString(dashes + ":|")
				} else {
					m.b.WriteString(dashes + "-|")
				}
			}
			m.b.WriteString("\n")
		}
	}
	m.b.WriteString("\n")
}
