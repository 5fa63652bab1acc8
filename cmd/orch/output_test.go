package main

import (
	"bytes"
	"testing"

	"orch/sweep/override"
)

// What a program or a config says must not become a formula of a spreadsheet;
// numbers stay numbers.
func TestCSVHasNoFormulas(t *testing.T) {
	text := override.StringValue
	g := &grid{heads: []string{"run", "x", "reason"}, rows: [][]cell{
		{{value: text("0-s1")}, {value: override.IntValue(-1)}, {value: text(`=HYPERLINK("http://x","y")`)}},
		{{value: text("@a,b")}, {value: override.FloatValue(-0.5)}, {}},
		{{value: text("+1")}, {value: override.ListValue(override.IntValue(1), override.IntValue(2))}, {value: text("-x")}},
	}}
	rows := `0-s1,-1,"'=HYPERLINK(""http://x"",""y"")"
"'@a,b",-0.5,
'+1,"[1,2]",'-x
`
	for header, want := range map[bool]string{true: "run,x,reason\n" + rows, false: rows} {
		var out bytes.Buffer
		if err := g.print(&program{stdout: &out}, "csv", header); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("header %v: csv =\n%s\nwant\n%s", header, &out, want)
		}
	}
}
