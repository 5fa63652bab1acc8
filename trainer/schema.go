package trainer

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"orch/sweep/override"
)

// Foreign are the top-level keys of a resolved config that belong to orch
// itself: every trainer leaves them alone.
var Foreign = []string{"launcher", "study", "sweep", "task", "name", "retry", "volatile"}

// Decode reads a resolved config into the parameter struct that into points
// to. Keys that are missing keep the value the struct had. It returns every
// problem it finds as a [*ParamError]: unknown keys, wrong types, values out
// of range. An int is a fine float; a float is no int. The keys in ignore,
// dotted paths, are skipped with everything below them.
//
// The struct is the only description of a trainer's parameters: names, types,
// ranges, choices, defaults and documentation.
//
//	type Params struct {
//		Seed     int64 `param:"seed" doc:"root of every random number"`
//		Training struct {
//			LR        float64   `param:"lr,above=0,max=100" doc:"learning rate"`
//			Optimizer Optimizer `param:"optimizer" doc:"update rule"`
//		} `param:"training"`
//	}
//
//	p := Params{Seed: 1}                    // what is set before is the default
//	errs := trainer.Decode(config, &p, trainer.Foreign...)
//
// After the name, the tag may say min=, max= (inclusive), above=, below=
// (exclusive) for numbers, len= (at least so many) for strings, lists and
// maps, and required. A string type with a method Choices() []string takes
// only those values, so that a registry can be the list. Field types: bool,
// ints, floats, string, time.Duration (a string such as "90s"), slices, maps
// with string keys, structs (tables), and [override.Value] (anything).
// Fields without the tag are no parameters. A bad tag is a bug in the trainer:
// Decode panics.
func Decode(config override.Value, into any, ignore ...string) []error {
	d := decoder{ignore: ignore, into: into}
	d.table("", config, reflect.ValueOf(into).Elem())
	return d.errs
}

// Key describes one parameter, for completion, documentation and tables.
type Key struct {
	Name    string         // dotted path
	Type    string         // "int", "float", "string", "bool", "duration", "list", "table", "any"
	Default override.Value // what the struct held; null if it has no config form
	Range   string         // "at least 1", "0 to 1", or empty
	Choices []string       // the allowed values, or nil for all
	Doc     string
}

// Keys lists the parameters of a struct, or of what a pointer points to, in
// the struct's order. The values it holds are reported as defaults.
func Keys(params any) []Key {
	v := reflect.ValueOf(params)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return appendKeys(nil, "", v)
}

func appendKeys(keys []Key, prefix string, v reflect.Value) []Key {
	for f := range params(v) {
		if f.isTable() {
			keys = appendKeys(keys, join(prefix, f.name), f.val)
			continue
		}
		k := Key{Name: join(prefix, f.name), Type: typeName(f.val.Type()), Range: f.rangeText(), Choices: choices(f.val), Doc: f.doc}
		k.Default = defaultOf(f.val)
		keys = append(keys, k)
	}
	return keys
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// param is one tagged field of a struct.
type param struct {
	name                   string
	doc                    string
	min, max, above, below float64 // NaN: no such bound
	length                 int
	required               bool
	index                  int // of the field
	val                    reflect.Value
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	valueType    = reflect.TypeFor[override.Value]()
)

func (p param) isTable() bool {
	return p.val.Kind() == reflect.Struct && p.val.Type() != valueType
}

// params yields the tagged fields of the struct v.
func params(v reflect.Value) func(yield func(param) bool) {
	return func(yield func(param) bool) {
		for _, p := range paramsOf(v.Type()) {
			p.val = v.Field(p.index)
			if !yield(p) {
				return
			}
		}
	}
}

// parsed holds the parameters of each struct type. A sweep decodes the same
// few types for every run that it checks, and reading tags took nine tenths of
// that.
var parsed sync.Map // reflect.Type -> []param

func paramsOf(t reflect.Type) []param {
	if list, ok := parsed.Load(t); ok {
		return list.([]param)
	}
	var list []param
	for i := range t.NumField() {
		if tag, ok := t.Field(i).Tag.Lookup("param"); ok {
			list = append(list, parseTag(t.Field(i), tag, i))
		}
	}
	parsed.Store(t, list)
	return list
}

func parseTag(f reflect.StructField, tag string, index int) param {
	name, opts, _ := strings.Cut(tag, ",")
	nan := math.NaN()
	p := param{name: name, doc: f.Tag.Get("doc"), min: nan, max: nan, above: nan, below: nan, index: index}
	bounds := map[string]*float64{"min": &p.min, "max": &p.max, "above": &p.above, "below": &p.below}
	for opt := range strings.SplitSeq(opts, ",") {
		key, text, _ := strings.Cut(opt, "=")
		var err error
		switch {
		case opt == "":
		case opt == "required":
			p.required = true
		case key == "len":
			p.length, err = strconv.Atoi(text)
		case bounds[key] != nil:
			*bounds[key], err = strconv.ParseFloat(text, 64)
		default:
			err = fmt.Errorf("unknown option %q", opt)
		}
		if err != nil {
			panic(fmt.Sprintf("field %s: tag %q: %v", f.Name, tag, err))
		}
	}
	if p.name == "" {
		panic(fmt.Sprintf("field %s: tag %q has no name", f.Name, tag))
	}
	return p
}

// rangeText says which numbers or lengths are allowed: "1 to 64", "more than 0".
func (p param) rangeText() string {
	has := func(f float64) bool { return !math.IsNaN(f) }
	num := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	if p.length > 0 {
		return fmt.Sprintf("at least %d", p.length)
	}
	if has(p.min) && has(p.max) {
		return num(p.min) + " to " + num(p.max)
	}
	var parts []string
	for _, b := range []struct {
		words string
		bound float64
	}{{"at least ", p.min}, {"more than ", p.above}, {"at most ", p.max}, {"less than ", p.below}} {
		if has(b.bound) {
			parts = append(parts, b.words+num(b.bound))
		}
	}
	return strings.Join(parts, " and ")
}

// contains reports whether a number is in range; NaN and the infinities never
// are.
func (p param) contains(x float64) bool {
	return !math.IsNaN(x) && !math.IsInf(x, 0) && !(x < p.min) && !(x > p.max) && !(x <= p.above) && !(x >= p.below)
}

func choices(v reflect.Value) []string {
	if c, ok := v.Interface().(interface{ Choices() []string }); ok {
		return c.Choices()
	}
	return nil
}

func typeName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "duration"
	case t == valueType:
		return "any"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "int"
	case reflect.Float32, reflect.Float64:
		return "float"
	case reflect.String:
		return "string"
	case reflect.Slice:
		return "list"
	case reflect.Map, reflect.Struct:
		return "table"
	}
	panic(fmt.Sprintf("a parameter cannot be a %v", t))
}

func defaultOf(v reflect.Value) override.Value {
	switch typeName(v.Type()) {
	case "bool":
		return override.BoolValue(v.Bool())
	case "int":
		return override.IntValue(v.Int())
	case "float":
		return override.FloatValue(v.Float())
	case "string":
		return override.StringValue(v.String())
	case "duration":
		return override.StringValue(time.Duration(v.Int()).String())
	case "any":
		return v.Interface().(override.Value)
	}
	return override.NullValue()
}

type decoder struct {
	ignore []string
	into   any // the whole struct
	errs   []error
}

func (d *decoder) bad(key string, v override.Value, nearest, format string, args ...any) {
	d.errs = append(d.errs, &ParamError{Key: key, Value: v, Problem: fmt.Sprintf(format, args...), Nearest: nearest})
}

// table decodes a map into a struct.
func (d *decoder) table(prefix string, config override.Value, into reflect.Value) {
	fields := map[string]param{}
	var names []string
	for p := range params(into) {
		fields[p.name] = p
		names = append(names, p.name)
	}
	if config.Kind() != override.Map && !config.IsNull() {
		d.bad(prefix, config, "", "is %s, want a table with the keys %s", describe(config), strings.Join(names, ", "))
		return
	}
	for _, f := range config.Fields() {
		name := f.Key.Text()
		key := join(prefix, name)
		if slices.Contains(d.ignore, key) {
			continue
		}
		p, ok := fields[name]
		if !ok {
			d.bad(key, f.Val, d.nearest(key), "unknown key")
			continue
		}
		d.value(key, f.Val, p)
	}
	for _, name := range names {
		if _, ok := config.Lookup(name); !ok && fields[name].required {
			d.bad(join(prefix, name), override.NullValue(), "", "is missing")
		}
	}
}

// nearest finds the parameter that was probably meant: one that ends in what
// was typed ("lr" for training.lr), else one that is spelled alike.
func (d *decoder) nearest(key string) string {
	last := key[strings.LastIndexByte(key, '.')+1:]
	names := slices.Clone(d.ignore)
	var same []string
	for _, k := range Keys(d.into) {
		names = append(names, k.Name)
		for i, c := range k.Name { // and the tables it is in
			if c == '.' && !slices.Contains(names, k.Name[:i]) {
				names = append(names, k.Name[:i])
			}
		}
		if strings.HasSuffix("."+k.Name, "."+last) {
			same = append(same, k.Name)
		}
	}
	if len(same) == 1 {
		return same[0]
	}
	return override.Nearest(key, names)
}

// value decodes one value into a field, judging its type and range.
func (d *decoder) value(key string, v override.Value, p param) {
	if p.isTable() {
		d.table(key, v, p.val)
		return
	}
	want := typeName(p.val.Type())
	wrong := func() { d.bad(key, v, "", "is %s, want %s", describe(v), article(want)) }
	check := func(ok bool) bool {
		if !ok {
			d.bad(key, v, "", "is %s, want %s", v.Text(), orElse(p.rangeText(), "a finite number"))
		}
		return ok
	}
	long := func(n int) bool {
		if n < p.length {
			d.bad(key, v, "", "has length %d, want %s", n, p.rangeText())
		}
		return n >= p.length
	}
	switch want {
	case "any":
		p.val.Set(reflect.ValueOf(v))
	case "bool":
		if v.Kind() != override.Bool {
			wrong()
			return
		}
		p.val.SetBool(v.Bool())
	case "int":
		n, ok := v.Int()
		if v.Kind() != override.Int {
			wrong()
		} else if !ok || p.val.OverflowInt(n) {
			d.bad(key, v, "", "is %s, want a number of at most %d bits", v.Text(), p.val.Type().Bits())
		} else if check(p.contains(float64(n))) {
			p.val.SetInt(n)
		}
	case "float":
		x, ok := v.Float()
		if !ok {
			wrong()
		} else if check(p.contains(x)) {
			p.val.SetFloat(x)
		}
	case "string":
		s, ok := v.Str()
		all := choices(p.val)
		if !ok {
			wrong()
		} else if all != nil && !slices.Contains(all, s) {
			d.bad(key, v, override.Nearest(s, all), "is %q, want one of %s", s, strings.Join(all, ", "))
		} else if long(len(s)) {
			p.val.SetString(s)
		}
	case "duration":
		s, ok := v.Str()
		t, err := time.ParseDuration(s)
		if !ok || err != nil {
			d.bad(key, v, "", "is %s, want a duration such as \"90s\" or \"2h\"", describe(v))
		} else if check(p.contains(t.Seconds())) {
			p.val.SetInt(int64(t))
		}
	case "list":
		if v.Kind() != override.List {
			wrong()
			return
		}
		if !long(v.Len()) {
			return
		}
		list := reflect.MakeSlice(p.val.Type(), v.Len(), v.Len())
		for i, e := range v.List() {
			d.value(join(key, strconv.Itoa(i)), e, p.element(list.Index(i)))
		}
		p.val.Set(list)
	case "table": // a map with string keys; a struct was handled above
		if v.Kind() != override.Map {
			wrong()
			return
		}
		if !long(v.Len()) {
			return
		}
		m := reflect.MakeMap(p.val.Type())
		for _, f := range v.Fields() {
			e := reflect.New(p.val.Type().Elem()).Elem()
			d.value(join(key, f.Key.Text()), f.Val, p.element(e))
			m.SetMapIndex(reflect.ValueOf(f.Key.Text()).Convert(p.val.Type().Key()), e)
		}
		p.val.Set(m)
	}
}

// element is the parameter that stands for one element of p: bounds of a list
// are those of its numbers, its length is its own.
func (p param) element(v reflect.Value) param {
	p.val, p.length = v, 0
	return p
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// describe names a value and its type as an error message needs both:
// the float 0.5, the string "3", null.
func describe(v override.Value) string {
	switch v.Kind() {
	case override.Null:
		return "null"
	case override.String:
		return fmt.Sprintf("the string %q", v.Text())
	case override.List:
		return "a list"
	case override.Map:
		return "a table"
	}
	return "the " + v.Kind().String() + " " + v.Text()
}
