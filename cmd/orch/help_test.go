package main

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHelp holds the shape of every command's help: the library breaks what is
// longer than 79 columns, which leaves ragged paragraphs where the text has line
// ends of its own, and flags out of their column.
func TestHelp(t *testing.T) {
	app := newApp(&program{})
	paths := [][]string{nil, {"import", "hydra"}}
	for _, c := range app.Commands {
		if internal := c.Hidden || c.Name == "worker"; !internal {
			paths = append(paths, []string{c.Name})
		}
	}
	for _, words := range paths {
		name := strings.Join(append([]string{"orch"}, words...), " ")
		var out, errs strings.Builder
		args := append(append([]string{"orch"}, words...), "--help")
		if code := run(context.Background(), newInterrupts(), args, &out, &errs); code != exitOK || errs.Len() > 0 {
			t.Fatalf("%s --help: exit code %d, %s", name, code, errs.String())
		}
		section := ""
		for line := range strings.Lines(out.String()) {
			line = strings.TrimRight(line, "\n")
			if strings.HasSuffix(line, ":") && !strings.HasPrefix(line, " ") {
				section = line
			}
			if n := utf8.RuneCountInString(line); n > 80 {
				t.Errorf("%s --help: %d columns: %s", name, n, line)
			}
			if section == "OPTIONS:" && strings.TrimSpace(line) != "" && line != section && !strings.HasPrefix(line, "   -") {
				t.Errorf("%s --help: a flag's text is too long and was broken: %s", name, line)
			}
			if strings.Contains(line, " value  ") || strings.Contains(line, "(default: 0") {
				t.Errorf("%s --help: a flag's value has no name, or its default means none: %s", name, line)
			}
		}
	}
	for _, c := range app.Commands {
		for _, paragraph := range strings.Split(c.Description, "\n\n") {
			for line := range strings.Lines(paragraph) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 76 && strings.Contains(paragraph, "\n") {
					t.Errorf("orch %s --help: a line of %d columns in a paragraph with line ends: %s", c.Name, n, line)
				}
			}
		}
	}
}
