package override

import (
	"slices"
	"strconv"
	"strings"
)

// argument is one evaluated argument of a call.
type argument struct {
	result
	name string // "" if positional
}

// is reports whether the argument is a plain value of one of the kinds.
func (a argument) is(kinds ...Kind) bool {
	return a.sweep == nil && !a.extend && slices.Contains(kinds, a.val.kind)
}

// isSweep reports whether the argument is a sweep of one of the kinds.
func (a argument) isSweep(kinds ...SweepKind) bool {
	return a.sweep != nil && slices.Contains(kinds, a.sweep.Kind)
}

// call is one function call while it is evaluated.
type call struct {
	p    *parser
	name string
	pos  int
	args []argument
}

// functions are what a value may call. Each gets its arguments evaluated, with
// the quotes of quoted strings removed, and reports a wrong one by call.reject.
var functions map[string]func(c *call) result

func init() { // a map literal would refer to itself through the parser
	functions = map[string]func(c *call) result{
		"int":         castTo(Int),
		"float":       castTo(Float),
		"bool":        castTo(Bool),
		"str":         castTo(String),
		"choice":      choiceCall,
		"range":       rangeCall,
		"interval":    intervalCall,
		"glob":        globCall,
		"tag":         tagCall,
		"shuffle":     shuffleCall,
		"sort":        sortCall,
		"extend_list": extendCall,
	}
}

// call: name "(" [name "="] element, ... ")".
func (p *parser) call() result {
	c := &call{p: p, name: p.text(p.tok), pos: p.tok.pos}
	if !p.enter() {
		return result{pos: c.pos}
	}
	defer func() { p.depth-- }()
	p.next() // the name
	p.next() // "("
	if p.tok.kind != tokParenClose {
		named := false
		for {
			var a argument
			if p.tok.kind == tokID && at(p.src, skipBlanks(p.src, p.pos)) == '=' {
				a.name = p.text(p.tok)
				named = true
				p.next()
				p.next()
			} else if named {
				p.reject(p.tok.pos, ClassBadCall, c.name+": a positional argument cannot follow a named one: name it, or move it to the front")
			}
			a.result = p.element()
			if a.val.kind == String {
				a.val.quote = 0
			}
			c.args = append(c.args, a)
			if p.tok.kind != tokComma {
				break
			}
			p.next()
		}
	}
	if p.tok.kind != tokParenClose {
		p.unexpected(`"," or ")" in the arguments of ` + c.name)
	}
	p.next()
	if p.err != nil || p.meaning != nil {
		return result{pos: c.pos}
	}
	f, ok := functions[c.name]
	if !ok {
		names := make([]string, 0, len(functions))
		for name := range functions {
			names = append(names, name)
		}
		slices.Sort(names)
		hint := "there are " + strings.Join(names, ", ")
		if near := Nearest(c.name, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		p.reject(c.pos, ClassUnknownFunc, "unknown function "+shorten(c.name)+" ("+hint+"); to use it as text, quote the value")
		return result{pos: c.pos}
	}
	r := f(c)
	r.pos = c.pos
	return r
}

func (c *call) reject(pos int, msg string) result {
	c.p.reject(pos, ClassBadCall, c.name+": "+msg)
	return result{pos: c.pos}
}

// newSweep returns a sweep that remembers where it was written.
func (c *call) newSweep(kind SweepKind) *Sweep {
	return &Sweep{Kind: kind, src: c.p.src, col: column(c.p.src, c.pos)}
}

// optional are the arguments for which null means not given.
var optional = []string{"value", "sweep", "list", "stop", "exclude"}

// split sorts the arguments into positional ones and those named in names.
func (c *call) split(names ...string) (pos []argument, named map[string]argument, ok bool) {
	named = make(map[string]argument)
	for _, a := range c.args {
		switch _, twice := named[a.name]; {
		case a.name == "":
			pos = append(pos, a)
		case !slices.Contains(names, a.name):
			hint := "it takes " + strings.Join(names, ", ")
			if len(names) == 0 {
				hint = "it takes no named arguments"
			}
			c.reject(a.pos, "unknown argument "+a.name+" ("+hint+")")
			return nil, nil, false
		case twice:
			c.reject(a.pos, "argument "+a.name+" is given twice: keep one")
			return nil, nil, false
		default:
			named[a.name] = a
		}
	}
	for name, a := range named {
		if a.is(Null) && slices.Contains(optional, name) {
			delete(named, name)
		}
	}
	return pos, named, true
}

// bind assigns positional arguments to the names in order, as a Python call does.
func (c *call) bind(names ...string) (map[string]argument, bool) {
	pos, named, ok := c.split(names...)
	if !ok {
		return nil, false
	}
	if len(pos) > len(names) {
		c.reject(pos[len(names)].pos, "takes at most "+strconv.Itoa(len(names))+" arguments ("+strings.Join(names, ", ")+")")
		return nil, false
	}
	for i, a := range pos {
		if _, twice := named[names[i]]; twice {
			c.reject(a.pos, "argument "+names[i]+" is given twice: keep one")
			return nil, false
		}
		if !a.is(Null) || !slices.Contains(optional, names[i]) {
			named[names[i]] = a
		}
	}
	return named, true
}

// choiceCall: choice(a,b,...) with at least one option; choice of a simple sweep
// (such as sort(b,a)) adopts its options.
func choiceCall(c *call) result {
	pos, _, ok := c.split()
	if !ok {
		return result{}
	}
	if len(pos) == 0 {
		return c.reject(c.pos, "needs at least one option")
	}
	if len(pos) == 1 && pos[0].isSweep(SimpleChoice) {
		s := *pos[0].sweep
		s.Kind = Choice
		return result{sweep: &s}
	}
	s := c.newSweep(Choice)
	for _, a := range pos {
		switch {
		case a.extend || a.isSweep(Range, Interval, Glob):
			return c.reject(a.pos, "an option is a value, not another sweep: use one of the two")
		case a.sweep != nil && len(pos) == 1:
			return c.reject(a.pos, "choices cannot be nested: write the options into one choice(...)")
		}
		c.p.notNested(a.result, "choice(...)")
		s.Choices = append(s.Choices, a.val)
	}
	return result{sweep: s}
}

// rangeCall: range([start=0,] stop [,step=1]).
func rangeCall(c *call) result {
	args, ok := c.bind("start", "stop", "step")
	if !ok {
		return result{}
	}
	for _, name := range []string{"start", "stop", "step"} {
		if a, ok := args[name]; ok && !a.is(Int, Float, Bool) {
			return c.reject(a.pos, "start, stop and step are numbers, not "+a.describe())
		}
	}
	start, ok := args["start"]
	if !ok {
		return c.reject(c.pos, "needs at least one number: range(stop) or range(start,stop,step)")
	}
	s := c.newSweep(Range)
	s.Start, s.Stop, s.Step = IntValue(0), start.val, IntValue(1)
	if stop, ok := args["stop"]; ok {
		s.Start, s.Stop = start.val, stop.val
	}
	if step, ok := args["step"]; ok {
		s.Step = step.val
	}
	return result{sweep: s}
}

// intervalCall: interval(start,end), both made floats.
func intervalCall(c *call) result {
	args, ok := c.bind("start", "end")
	if !ok {
		return result{}
	}
	s := c.newSweep(Interval)
	for i, to := range []*Value{&s.Start, &s.Stop} {
		a, ok := args[[]string{"start", "end"}[i]]
		if !ok {
			return c.reject(c.pos, "needs two numbers: interval(start,end)")
		}
		if !a.is(Int, Float, Bool) {
			return c.reject(a.pos, "start and end are numbers, not "+a.describe())
		}
		v, msg := castValue(a.val, Float)
		if msg != "" {
			return c.reject(a.pos, msg)
		}
		*to = v
	}
	return result{sweep: s}
}

// globCall: glob(include[,exclude]), each a pattern or a list of patterns.
func globCall(c *call) result {
	args, ok := c.bind("include", "exclude")
	if !ok {
		return result{}
	}
	s := c.newSweep(Glob)
	if _, ok := args["include"]; !ok {
		return c.reject(c.pos, "needs a pattern: glob(*)")
	}
	for i, to := range []*[]string{&s.Include, &s.Exclude} {
		name := []string{"include", "exclude"}[i]
		a, ok := args[name]
		switch {
		case !ok:
		case a.is(String):
			*to = []string{a.val.text}
		case a.is(List):
			for _, e := range a.val.list {
				if e.kind != String {
					return c.reject(a.pos, "a pattern is text, not "+e.kind.String()+" "+e.Text()+": quote it")
				}
				*to = append(*to, e.text)
			}
		default:
			return c.reject(a.pos, name+" is a pattern or a list of patterns, not "+a.describe()+": quote it")
		}
	}
	return result{sweep: s}
}

// tagCall: tag(name,...,sweep). The tags replace those the sweep has.
func tagCall(c *call) result {
	pos, named, ok := c.split("sweep")
	if !ok {
		return result{}
	}
	if len(pos) == 0 {
		return c.reject(c.pos, "needs names and a sweep: tag(name,choice(a,b))")
	}
	if a, ok := named["sweep"]; ok {
		pos = append(pos, a)
	}
	last := pos[len(pos)-1]
	if last.sweep == nil || last.sweep.Kind == Glob {
		return c.reject(last.pos, "its last argument is a choice, a range or an interval, not "+last.describe())
	}
	s := *last.sweep
	s.Tags = nil
	for _, a := range pos[:len(pos)-1] {
		if !a.is(String) {
			return c.reject(a.pos, "a tag is text, not "+a.describe())
		}
		s.Tags = append(s.Tags, a.val.text)
	}
	slices.Sort(s.Tags)
	s.Tags = slices.Compact(s.Tags)
	return result{sweep: &s}
}

// extendCall: extend_list(a,b,...).
func extendCall(c *call) result {
	pos, _, ok := c.split()
	if !ok {
		return result{}
	}
	list := make([]Value, len(pos))
	for i, a := range pos {
		c.p.notNested(a.result, "extend_list(...)")
		list[i] = a.val
	}
	return result{val: Value{kind: List, list: list}, extend: true}
}

// describe names the argument in an error message.
func (a argument) describe() string {
	switch {
	case a.extend:
		return "extend_list(...)"
	case a.sweep != nil:
		return "a " + a.sweep.Kind.noun()
	case a.val.kind == Null:
		return "null"
	}
	return "the " + a.val.kind.String() + " " + shorten(a.val.Text())
}
