package report

import (
	"strings"
	"unicode"
)

// mdText escapes text that is not Markdown: a name, a value, a message.
func mdText(s string) string {
	s = oneLine(s)
	runes := []rune(s)
	var b strings.Builder
	for i, c := range runes {
		switch c {
		case '<':
			b.WriteString("&lt;")
			continue
		case '>':
			b.WriteString("&gt;")
			continue
		case '&':
			b.WriteString("&amp;")
			continue
		case '\\', '`', '*', '[', ']', '|', '~', '$', '^':
			b.WriteByte('\\')
		case '_': // inside a word it is plain
			if i == 0 || i == len(runes)-1 || !isWord(runes[i-1]) || !isWord(runes[i+1]) {
				b.WriteByte('\\')
			}
		case '#', '-', '+', '=', ':':
			if i == 0 && (c == '#' || len(runes) > 1 && !isWord(runes[1])) {
				b.WriteByte('\\')
			}
		}
		b.WriteRune(c)
	}
	return b.String()
}

func isWord(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }

// mdProse passes the author's own Markdown and $math$ through, but no HTML.
func mdProse(s string) string {
	parts := strings.Split(oneLine(s), "$")
	math := len(parts)%2 == 1
	for i, p := range parts {
		if math && i%2 == 1 {
			parts[i] = strings.NewReplacer("<", `\lt `, ">", `\gt `).Replace(p)
		} else {
			parts[i] = strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(p)
		}
	}
	return strings.Join(parts, "$")
}

// mdCell makes prose fit into a table.
func mdCell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// mdFormula shows LaTeX as a display formula; text that holds $ is prose around
// formulas, and text without a command is prose.
func mdFormula(s string) string {
	if strings.Contains(s, "$") || !strings.ContainsAny(s, `\=^_`) {
		return mdProse(s)
	}
	return "$$\n" + strings.NewReplacer("<", `\lt `, ">", `\gt `).Replace(oneLine(s)) + "\n$$"
}

// code shows text in code style; nothing in it is markup. Empty stays empty.
func code(s string) string {
	s = oneLine(s)
	if s == "" {
		return ""
	}
	if strings.ContainsAny(s, "`|<>") { // a pipe would end a table's cell even in code
		return mdText(s)
	}
	return "`" + s + "`"
}
