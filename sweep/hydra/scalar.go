package hydra

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"orch/sweep/override"
)

// The plain scalars of YAML 1.1 as PyYAML resolves them
// (https://yaml.org/type/), with OmegaConf's rule for floats, which knows 1e3.
// They are compiled when the first scalar is read: every other command of orch
// does without.
var yamlForms = sync.OnceValue(func() (f struct{ null, bool, int, float *regexp.Regexp }) {
	f.bool = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)
	f.null = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	f.int = regexp.MustCompile(`^[-+]?(?:0b[0-1_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	f.float = regexp.MustCompile(`^(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?` +
		`|[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)` +
		`|\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?` +
		`|[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*` +
		`|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	return f
})

// scalar returns the value of a scalar as Hydra reads it.
func (n *notes) scalar(node *yaml.Node) override.Value {
	s := node.Value
	tagged := node.Style&yaml.TaggedStyle != 0
	plain := node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch {
	case tagged && node.Tag == "!!str" || !tagged && !plain:
		return n.text(node, s)
	case tagged && node.Tag != "!!int" && node.Tag != "!!float" && node.Tag != "!!bool" && node.Tag != "!!null":
		n.lost(node.Line, "write the value itself", "the tag %s: the text below it was kept", node.Tag)
		return override.QuotedValue(s)
	}
	forms := yamlForms()
	switch {
	case forms.null.MatchString(s):
		return override.NullValue()
	case forms.bool.MatchString(s):
		lower := strings.ToLower(s)
		b := lower == "true" || lower == "yes" || lower == "on"
		if lower != "true" && lower != "false" {
			n.look(node.Line, "put it in quotes if a text was meant", "%s is %t in YAML 1.1", s, b)
		}
		return override.BoolValue(b)
	case forms.int.MatchString(s):
		if tagged && node.Tag == "!!float" {
			break
		}
		return n.integer(node, s)
	}
	if forms.float.MatchString(s) || tagged && node.Tag == "!!float" {
		if f, ok := parseFloat(s); ok {
			if strings.Contains(s, ":") {
				n.look(node.Line, "put it in quotes if a time was meant", "%s is %v in YAML 1.1, which counts in sixties", s, f)
			}
			return override.FloatValue(f)
		}
	}
	return n.text(node, s)
}

// text returns a string, noting the two texts that are none in TOML.
func (n *notes) text(node *yaml.Node, s string) override.Value {
	if s == "null" {
		n.look(node.Line, "choose another word if the text was meant", `the text "null": it is null in orch`)
	}
	return override.QuotedValue(s)
}

func (n *notes) integer(node *yaml.Node, s string) override.Value {
	digits := strings.ReplaceAll(s, "_", "")
	sign := ""
	if c := digits[0]; c == '-' || c == '+' {
		sign, digits = strings.TrimPrefix(digits[:1], "+"), digits[1:]
	}
	base := 10
	switch {
	case strings.Contains(digits, ":"):
		total := new(big.Int)
		for _, part := range strings.Split(digits, ":") {
			d, _ := new(big.Int).SetString(part, 10)
			total.Add(total.Mul(total, big.NewInt(60)), d)
		}
		n.look(node.Line, "put it in quotes if a time was meant", "%s is %s%s in YAML 1.1, which counts in sixties", s, sign, total)
		digits = total.String()
	case strings.HasPrefix(digits, "0b"):
		digits, base = digits[2:], 2
	case strings.HasPrefix(digits, "0x"):
		digits, base = digits[2:], 16
	case len(digits) > 1 && digits[0] == '0':
		digits, base = digits[1:], 8
	}
	x, ok := new(big.Int).SetString(sign+digits, base)
	if !ok {
		return override.QuotedValue(s) // 0b_ and the like
	}
	if base == 8 {
		n.look(node.Line, "put it in quotes if a text was meant", "%s is the octal number %s in YAML 1.1", s, x)
	}
	if !x.IsInt64() {
		n.look(node.Line, "use a float, or have the program convert it", "%s does not fit in 64 bits and becomes a text", s)
		return override.QuotedValue(x.String())
	}
	return override.IntValue(x.Int64())
}

func parseFloat(s string) (float64, bool) {
	s = strings.ToLower(strings.ReplaceAll(s, "_", ""))
	if head, rest, ok := strings.Cut(s, ":"); ok {
		f, _ := strconv.ParseFloat(head, 64)
		total := max(f, -f)
		for _, part := range strings.Split(rest, ":") {
			d, _ := strconv.ParseFloat(part, 64)
			total = total*60 + d
		}
		if strings.HasPrefix(s, "-") {
			total = -total
		}
		return total, true
	}
	s = strings.Replace(strings.Replace(s, ".inf", "inf", 1), ".nan", "nan", 1)
	f, err := strconv.ParseFloat(s, 64)
	// An overflow is infinite for Python too.
	return f, err == nil || strings.Contains(err.Error(), "range")
}
