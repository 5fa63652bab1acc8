package override

import "strconv"

// Op is what an override does to the config.
type Op uint8

// The operations.
const (
	Change   Op = iota // key=value: the key must exist
	Add                // +key=value: the key must not exist
	ForceAdd           // ++key=value: either way
	Delete             // ~key, or ~key=value: only if it has this value
	Extend             // key=extend_list(a,b): append to the list that key holds
)

// String returns "change", "add", "force_add", "del" or "extend".
func (o Op) String() string {
	switch o {
	case Change:
		return "change"
	case Add:
		return "add"
	case ForceAdd:
		return "force_add"
	case Delete:
		return "del"
	case Extend:
		return "extend"
	}
	return "op(" + strconv.Itoa(int(o)) + ")"
}

// prefix returns what is typed before the key.
func (o Op) prefix() string {
	switch o {
	case Add:
		return "+"
	case ForceAdd:
		return "++"
	case Delete:
		return "~"
	}
	return ""
}

// Override is one parsed command-line override.
type Override struct {
	Op         Op
	Key        string // a dotted path "training.lr", or a config group "db/engine"; "" is the whole config
	Package    string // what follows "@" in group@package
	HasPackage bool   // tells db@=x, whose package is empty, from db=x
	HasValue   bool   // false only for ~key
	Value      Value  // if Sweep is nil; the elements to append if Op is Extend
	Sweep      *Sweep // if several values were given
	Shuffled   bool   // shuffle() has put a list in Value into an order of its choosing
	Text       string // as typed
}

// Equal reports whether two overrides mean the same, however they were typed.
func (o Override) Equal(p Override) bool {
	return o.Op == p.Op && o.Key == p.Key && o.Package == p.Package && o.HasPackage == p.HasPackage &&
		o.HasValue == p.HasValue && o.Value.Equal(p.Value) && o.Sweep.Equal(p.Sweep)
}

// With returns the override that sets one value of its sweep.
func (o Override) With(v Value) Override {
	o.Sweep, o.Value, o.HasValue, o.Shuffled = nil, v, true, false
	o.Text = o.Line()
	return o
}
