package report

import (
	"fmt"
	"strings"
	"unicode"
)

// LaTeX renders every table of the report but the list of runs as
// tables/<name>.tex: a tabular with the rules of booktabs and nothing else, to
// be \input into a table environment of the author's own. The caption stands
// above it as a comment, ready to paste. Nothing in a name or message is a
// command; letters that pdfTeX's fonts do not have are spelled out.
var LaTeX = Format{Name: "tex", Render: func(r *Report) ([]File, error) {
	var files []File
	for _, b := range compose(r).blocks {
		if b.kind == tableBlock && b.table.name != "" {
			files = append(files, File{"tables/" + b.table.name + ".tex", []byte(texTable(b.table))})
		}
	}
	return files, nil
}}

func texTable(t *table) string {
	var b strings.Builder
	b.WriteString("% \\usepackage{booktabs} \\usepackage[T1]{fontenc}\n")
	if len(t.caption) > 0 {
		for _, line := range wrap("\\caption{"+strings.TrimSpace(texInline(t.caption))+"}", 100) {
			b.WriteString("% " + line + "\n")
		}
	}
	fmt.Fprintf(&b, "\\begin{tabular}{@{}%s@{}}\n\\toprule\n", t.align)
	for i, cells := range append([][]cell{t.head}, t.rows...) {
		for j, c := range cells {
			if j > 0 {
				b.WriteString(" & ")
			}
			s := strings.TrimSpace(texInline(c))
			if j == 0 && strings.HasPrefix(s, "[") || j == 0 && strings.HasPrefix(s, "*") {
				s = "{}" + s // else it is an argument of the \\ or \midrule before it
			}
			b.WriteString(s)
		}
		b.WriteString(" \\\\\n")
		if i == 0 {
			b.WriteString("\\midrule\n")
		}
	}
	b.WriteString("\\bottomrule\n\\end{tabular}\n")
	return b.String()
}

func texInline(parts []inline) string {
	var b strings.Builder
	for _, p := range parts {
		before, after := edges(p.s)
		b.WriteString(before)
		switch p.look {
		case strong:
			b.WriteString("\\textbf{" + texText(p.s) + "}")
		case mono:
			b.WriteString("\\texttt{" + texText(p.s) + "}")
		case prose:
			b.WriteString(texProse(p.s))
		default:
			b.WriteString(texText(p.s))
		}
		b.WriteString(after)
	}
	return b.String()
}

// texProse passes the author's $math$ through, if it is sound: balanced braces,
// and none of the commands that read files, write them or define others.
func texProse(s string) string {
	parts := strings.Split(oneLine(s), "$")
	if len(parts)%2 == 0 {
		return texText(s)
	}
	for i, p := range parts {
		if i%2 == 1 && texMath(p) {
			parts[i] = "$" + p + "$"
		} else if i%2 == 1 {
			parts[i] = "\\$" + texText(p) + "\\$"
		} else {
			parts[i] = texText(p)
		}
	}
	return strings.Join(parts, "")
}

// texMath reports whether a formula may be handed to TeX as it is.
func texMath(s string) bool {
	for _, bad := range []string{"input", "include", "write", "open", "read", "def", "let", "catcode", "csname", "immediate", "special", "begin", "end", "usepackage", "expandafter", "loop", "^^", "%", "#", "&", "\\\\"} {
		if strings.Contains(s, bad) && (bad[0] != '\\' && !unicode.IsLetter(rune(bad[0])) || strings.Contains(s, "\\"+bad) || bad == "\\\\") {
			return false
		}
	}
	depth := 0
	for i, c := range s {
		escaped := i > 0 && s[i-1] == '\\'
		switch {
		case c > 126:
			return false
		case c == '{' && !escaped:
			depth++
		case c == '}' && !escaped:
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0 && strings.TrimSpace(s) != "" && !strings.HasSuffix(s, "\\")
}

// texSymbols are the characters that TeX reads as commands, and those of the
// report's own wording that its fonts lack.
var texSymbols = map[rune]string{
	'\\': `\textbackslash{}`, '{': `\{`, '}': `\}`, '$': `\$`, '&': `\&`, '#': `\#`, '_': `\_`, '%': `\%`,
	'~': `\textasciitilde{}`, '^': `\textasciicircum{}`, '<': `\textless{}`, '>': `\textgreater{}`, '|': `\textbar{}`,
	'"': `\char34{}`, '`': `\textasciigrave{}`,
	'±': `$\pm$`, '−': `$-$`, '×': `$\times$`, '·': `$\cdot$`, '≤': `$\le$`, '≥': `$\ge$`, '≈': `$\approx$`, '≠': `$\ne$`, '∈': `$\in$`, '∞': `$\infty$`,
	'↑': `$\uparrow$`, '↓': `$\downarrow$`, '→': `$\to$`, '←': `$\leftarrow$`, '—': `---`, '–': `--`, '…': `\dots{}`, 'µ': `$\mu$`, '°': `$^\circ$`, '²': `$^2$`, '³': `$^3$`, '½': `$\frac12$`,
	'α': `$\alpha$`, 'β': `$\beta$`, 'γ': `$\gamma$`, 'δ': `$\delta$`, 'ε': `$\varepsilon$`, 'η': `$\eta$`, 'θ': `$\theta$`, 'κ': `$\kappa$`, 'λ': `$\lambda$`, 'μ': `$\mu$`, 'ν': `$\nu$`,
	'π': `$\pi$`, 'ρ': `$\rho$`, 'σ': `$\sigma$`, 'τ': `$\tau$`, 'φ': `$\varphi$`, 'χ': `$\chi$`, 'ψ': `$\psi$`, 'ω': `$\omega$`, 'Δ': `$\Delta$`, 'Σ': `$\Sigma$`, 'Ω': `$\Omega$`,
	'�': `?`,
}

// texText escapes text that is not LaTeX. Numbers with a minus sign get a real
// one. Letters beyond what the standard encodings hold become U+XXXX.
func texText(s string) string {
	s = oneLine(s)
	var b strings.Builder
	runes := []rune(s)
	for i, c := range runes {
		switch x, ok := texSymbols[c]; {
		case ok:
			b.WriteString(x)
		case c == '-' && i+1 < len(runes) && unicode.IsDigit(runes[i+1]) && (i == 0 || runes[i-1] == ' ' || runes[i-1] == '('):
			b.WriteString("$-$")
		case c == '-' && i > 0 && runes[i-1] == '-':
			b.WriteString("{}-") // no dash out of two hyphens
		case c <= 0x17f && unicode.IsPrint(c):
			b.WriteRune(c)
		case unicode.IsSpace(c):
			b.WriteByte(' ')
		default:
			fmt.Fprintf(&b, "\\texttt{U+%04X}", c)
		}
	}
	return b.String()
}
