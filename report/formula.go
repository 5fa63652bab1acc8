package report

import (
	"strings"
	"unicode"
)

// Looks that only formulas have.
const (
	italic look = iota + 100
	super
	sub
)

// mathSymbols are the LaTeX commands that people write in a problem statement,
// as text. Relations carry their blanks.
var mathSymbols = map[string]string{
	"in": " ∈ ", "notin": " ∉ ", "mapsto": " ↦ ", "to": " → ", "rightarrow": " → ", "leftarrow": " ← ", "Rightarrow": " ⇒ ", "implies": " ⇒ ", "iff": " ⇔ ",
	"le": " ≤ ", "leq": " ≤ ", "ge": " ≥ ", "geq": " ≥ ", "ne": " ≠ ", "neq": " ≠ ", "approx": " ≈ ", "sim": " ∼ ", "equiv": " ≡ ", "subset": " ⊂ ", "subseteq": " ⊆ ", "propto": " ∝ ",
	"colon": " : ", "lt": " < ", "gt": " > ", "ll": " ≪ ", "gg": " ≫ ", "mid": " | ", "cup": " ∪ ", "cap": " ∩ ", "times": " × ", "cdot": " · ", "pm": " ± ", "circ": " ∘ ", "oplus": " ⊕ ",
	"dots": "…", "ldots": "…", "cdots": "⋯", "infty": "∞", "partial": "∂", "nabla": "∇", "sum": " ∑", "prod": "∏", "int": "∫", "forall": "∀", "exists": "∃", "emptyset": "∅", "ell": "l",
	"R": "ℝ", "N": "ℕ", "Z": "ℤ", "E": "𝔼", "prime": "′", "star": "*", "ast": "*", "langle": "⟨", "rangle": "⟩", "lVert": "‖", "rVert": "‖", "Vert": "‖", "|": "‖", "{": "{", "}": "}", "%": "%", "&": "&", "#": "#", "_": "_", "$": "$",
	"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ",
	"pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
	"Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
	",": " ", ";": " ", ":": " ", "!": "", "quad": "   ", "qquad": "      ", " ": " ", "\\": " ", "left": "", "right": "", "big": "", "Big": "", "displaystyle": "", "limits": "",
	"min": "min ", "max": "max ", "argmin": "arg min ", "argmax": "arg max ", "arg": "arg ", "log": "log ", "ln": "ln ", "exp": "exp ", "sin": "sin ", "cos": "cos ", "tanh": "tanh ", "det": "det ", "dim": "dim ", "lim": "lim ", "cdotp": " · ", "setminus": " ∖ ", "top": "⊤", "neg": "¬", "land": " ∧ ", "lor": " ∨ ", "sup": "sup ", "inf": "inf ", "Pr": "Pr",
}

// doubleStruck are the letters of \mathbb.
var doubleStruck = map[string]string{"R": "ℝ", "N": "ℕ", "Z": "ℤ", "Q": "ℚ", "C": "ℂ", "P": "ℙ", "E": "E"}

// proseInline splits the author's prose into text and formulas, for formats that
// have no LaTeX: PDF and HTML.
func proseInline(s string) []inline {
	parts := strings.Split(oneLine(s), "$")
	if len(parts)%2 == 0 {
		return text(s)
	}
	var out []inline
	for i, p := range parts {
		if i%2 == 1 {
			out = append(out, mathInline(p)...)
		} else if p != "" {
			out = append(out, inline{plain, p})
		}
	}
	return out
}

// formulaInline is a display formula, by the same rule as Markdown's: text that
// holds $ or no command is prose.
func formulaInline(s string) []inline {
	if strings.Contains(s, "$") || !strings.ContainsAny(s, `\=^_`) {
		return proseInline(s)
	}
	return mathInline(oneLine(s))
}

// mathInline turns a LaTeX formula into text that looks like one: letters in
// italics, symbols as letters, one level of raised and lowered text. What it does
// not know it shows as typed.
func mathInline(s string) []inline {
	p := &mathParser{in: []rune(s)}
	p.group(plain, 0)
	return p.out
}

type mathParser struct {
	in  []rune
	at  int
	out []inline
}

func (p *mathParser) put(l look, s string) {
	if s == "" {
		return
	}
	if n := len(p.out); n > 0 && p.out[n-1].look == l {
		if strings.HasSuffix(p.out[n-1].s, " ") {
			s = strings.TrimLeft(s, " ")
		}
		p.out[n-1].s += s
		return
	}
	p.out = append(p.out, inline{l, s})
}

// group reads to the end of a brace group. raised is super or sub within one.
func (p *mathParser) group(raised look, depth int) {
	for p.at < len(p.in) {
		c := p.in[p.at]
		p.at++
		l := raised
		switch {
		case c == '}' && depth > 0:
			return
		case c == '{' && depth < 20:
			p.group(raised, depth+1)
		case (c == '^' || c == '_') && depth < 20:
			to := super
			if c == '_' {
				to = sub
			}
			p.argument(to, depth)
		case c == '\\':
			p.command(raised, depth)
		case c == '~':
			p.put(l, " ")
		case unicode.IsSpace(c):
		case unicode.IsLetter(c):
			if raised == plain {
				l = italic
			}
			p.put(l, string(c))
		case c == '-':
			p.put(l, "−")
		case c == ',':
			p.put(l, ", ")
		case strings.ContainsRune("=<>", c) && raised == plain:
			p.put(l, " "+string(c)+" ")
		default:
			p.put(l, string(c))
		}
	}
}

// argument reads what follows ^, _ or a command: a group or one thing.
func (p *mathParser) argument(raised look, depth int) {
	for p.at < len(p.in) && unicode.IsSpace(p.in[p.at]) {
		p.at++
	}
	switch {
	case p.at == len(p.in):
	case p.in[p.at] == '{':
		p.at++
		p.group(raised, depth+1)
	case p.in[p.at] == '\\':
		p.at++
		p.command(raised, depth+1)
	default:
		p.put(raised, string(p.in[p.at]))
		p.at++
	}
}

// bracketed reads an argument, in brackets if it is more than a letter.
func (p *mathParser) bracketed(raised look, depth int) {
	short := p.at+2 < len(p.in) && p.in[p.at] == '{' && p.in[p.at+2] == '}' || p.at < len(p.in) && p.in[p.at] != '{'
	if !short {
		p.put(raised, "(")
	}
	p.argument(raised, depth)
	if !short {
		p.put(raised, ")")
	}
}

// raw returns the text of the next brace group as typed.
func (p *mathParser) raw() string {
	if p.at == len(p.in) || p.in[p.at] != '{' {
		return ""
	}
	end := p.at + 1
	for depth := 1; end < len(p.in); end++ {
		if p.in[end] == '{' {
			depth++
		} else if p.in[end] == '}' {
			if depth--; depth == 0 {
				break
			}
		}
	}
	s := string(p.in[p.at+1 : min(end, len(p.in))])
	p.at = min(end+1, len(p.in))
	return s
}

func (p *mathParser) command(raised look, depth int) {
	start := p.at
	for p.at < len(p.in) && unicode.IsLetter(p.in[p.at]) {
		p.at++
	}
	if p.at == start && p.at < len(p.in) {
		p.at++
	}
	name := string(p.in[start:p.at])
	if depth > 20 {
		p.put(raised, name)
		return
	}
	switch name {
	case "text", "mathrm", "operatorname", "textrm", "mathsf", "mathtt":
		p.put(raised, p.raw())
	case "mathbb":
		s := p.raw()
		p.put(raised, cmpOr(doubleStruck[s], s))
	case "mathcal", "mathbf", "boldsymbol", "hat", "bar", "tilde", "vec":
		p.argument(raised, depth)
	case "frac":
		p.bracketed(raised, depth)
		p.put(raised, "/")
		p.bracketed(raised, depth)
	case "min", "max", "argmin", "argmax", "sup", "inf": // what stands below belongs to it
		p.put(raised, strings.TrimSpace(mathSymbols[name]))
		if p.at < len(p.in) && p.in[p.at] == '_' {
			p.at++
			p.argument(sub, depth)
		}
		p.put(raised, " ")
	case "sqrt":
		p.put(raised, "√(")
		p.argument(raised, depth)
		p.put(raised, ")")
	default:
		if s, ok := mathSymbols[name]; ok {
			if raised != plain {
				s = strings.TrimSpace(s)
			}
			p.put(raised, s)
			return
		}
		p.put(raised, "\\"+name)
	}
}
