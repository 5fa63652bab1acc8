package override

import (
	"slices"
	"strconv"
)

// explainMax is how many values an explanation lists; above it only counts.
const explainMax = 1000

// Explain parses s and returns one line of JSON that says what it means, or why
// it is refused:
//
//	{"in":"lr=0.1","kind":"override","expect":{"op":"change","key":"lr","value":0.1,"canon":"lr=0.1"}}
//
// See [Override.Explain] and [Error.Explain].
func Explain(s string, env Env) []byte {
	o, err := Parse(s)
	if err != nil {
		return err.(*Error).Explain()
	}
	return o.Explain(env)
}

// Explain returns one line of JSON: "kind" is override, sweep, or error if the
// sweep has no values; "expect" holds the parts. Values are in the encoding of
// [AppendTyped], "canon" and "jobs" in that of [Override.Canonical]. A sweep of
// more than 1000 values has a "count" instead of "values" and "jobs".
func (o Override) Explain(env Env) []byte {
	j := jsonLine{}
	j.open()
	j.str("in", o.Text)
	if o.Sweep == nil {
		j.str("kind", "override")
	} else {
		j.str("kind", "sweep")
	}
	j.key("expect")
	j.open()
	j.str("op", o.Op.String())
	j.str("key", o.Key)
	if o.HasPackage {
		j.str("package", o.Package)
	}
	switch {
	case !o.HasValue:
		j.str("value_kind", "none")
	case o.Sweep == nil:
		j.value("value", o.Value)
		if o.Shuffled {
			j.raw("any_order", "true")
		} else {
			j.str("canon", o.Canonical())
		}
	default:
		if err := o.explainSweep(&j, env); err != nil {
			return err.(*Error).Explain()
		}
	}
	j.close()
	j.close()
	return j.b
}

func (o Override) explainSweep(j *jsonLine, env Env) error {
	s := o.Sweep
	j.str("sweep", s.Kind.String())
	if len(s.Tags) > 0 {
		j.strs("tags", s.Tags)
	}
	switch s.Kind {
	case Range:
		j.value("start", s.Start)
		j.value("stop", s.Stop)
		j.value("step", s.Step)
	case Interval:
		j.value("start", s.Start)
		j.value("end", s.Stop)
		return nil
	case Glob:
		j.strs("include", s.Include)
		j.strs("exclude", s.Exclude)
		if env.Options == nil {
			return nil
		}
		options := slices.Clone(env.Options(s.Group))
		slices.Sort(options)
		j.strs("options", options)
	}
	if s.Shuffled {
		j.raw("any_order", "true")
	}
	n, err := s.Len(env)
	if err != nil {
		return err
	}
	if n > explainMax {
		j.raw("count", strconv.Itoa(n))
		return nil
	}
	env.Max = explainMax
	vs, err := s.Values(env)
	if err != nil {
		return err
	}
	j.value("values", ListValue(vs...))
	if s.Kind == Glob {
		return nil
	}
	jobs := make([]string, len(vs))
	for i, v := range vs {
		jobs[i] = o.With(v).Canonical()
	}
	j.strs("jobs", jobs)
	return nil
}

// Explain returns one line of JSON with "kind":"error", the stage, class and
// column, and the message. The first three are also in "expect".
func (e *Error) Explain() []byte {
	j := jsonLine{}
	j.open()
	j.str("in", e.Input)
	j.str("kind", "error")
	for range 2 {
		j.str("stage", e.Stage)
		j.str("class", e.Class)
		j.raw("col", strconv.Itoa(e.Col))
		if len(j.nest) == 1 {
			j.str("message", e.Msg)
			j.key("expect")
			j.open()
		}
	}
	j.close()
	j.close()
	return j.b
}

// AppendTyped appends a value as JSON that keeps every type apart, unlike
// [Value.AppendJSON], which is smaller: an int is a number without point or
// exponent and a float one with; {"$float":"inf"}, "-inf" and "nan"; a string
// that was written in quotes is {"$quoted":"text"}; a dict is
// {"$map":{"key":value}}, or {"$pairs":[[key,value]]} if a key is no string.
func (v Value) AppendTyped(b []byte) []byte {
	switch v.kind {
	case String:
		if v.quote != 0 {
			return append(appendQuoted(append(b, `{"$quoted":`...), v.text), '}')
		}
	case List:
		b = append(b, '[')
		for i, e := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.AppendTyped(b)
		}
		return append(b, ']')
	case Map:
		if slices.ContainsFunc(v.fields, func(f Field) bool { return f.Key.kind != String }) {
			return v.appendPairs(b)
		}
		b = append(b, `{"$map":{`...)
		for i, f := range v.fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendQuoted(b, f.Key.text), ':')
			b = f.Val.AppendTyped(b)
		}
		return append(b, "}}"...)
	}
	return v.AppendJSON(b)
}

func (v Value) appendPairs(b []byte) []byte {
	b = append(b, `{"$pairs":[`...)
	for i, f := range v.fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(f.Key.AppendTyped(append(b, '[')), ',')
		b = append(f.Val.AppendTyped(b), ']')
	}
	return append(b, "]}"...)
}

// jsonLine writes one line of JSON objects.
type jsonLine struct {
	b    []byte
	nest []bool // per open object: has it an entry?
}

func (j *jsonLine) open() {
	j.b = append(j.b, '{')
	j.nest = append(j.nest, false)
}

func (j *jsonLine) close() {
	j.b = append(j.b, '}')
	j.nest = j.nest[:len(j.nest)-1]
}

func (j *jsonLine) key(k string) {
	if last := len(j.nest) - 1; j.nest[last] {
		j.b = append(j.b, ',')
	} else {
		j.nest[last] = true
	}
	j.b = append(appendQuoted(j.b, k), ':')
}

func (j *jsonLine) str(k, v string) { j.key(k); j.b = appendQuoted(j.b, v) }
func (j *jsonLine) raw(k, v string) { j.key(k); j.b = append(j.b, v...) }

func (j *jsonLine) value(k string, v Value) { j.key(k); j.b = v.AppendTyped(j.b) }

func (j *jsonLine) strs(k string, ss []string) {
	vs := make([]Value, len(ss))
	for i, s := range ss {
		vs[i] = StringValue(s)
	}
	j.value(k, ListValue(vs...))
}
