package compose

import (
	"fmt"
	"strconv"
	"strings"

	"orch/sweep/override"
)

// resolver turns a tree with interpolations into plain values. It is made for
// one tree and used by one goroutine.
type resolver struct {
	src  *Source
	env  map[string]bool // declared variables
	root *node

	memo     map[string]memo // resolved interpolations by path
	visiting map[string]bool
	stack    []string                       // paths of the leaves being resolved
	deps     map[string]map[string]struct{} // leaf -> paths it looked at; nil: not wanted
	budget   int
}

// memo is a resolved value and what it took of the budget: where it is used
// again it takes that again, since whoever walks the result meets it again.
type memo struct {
	val  override.Value
	cost int
}

// maxResolved bounds what a resolved config holds, in bytes of text and in
// values. Ten lines of "${b}${b}" would otherwise fill any memory.
const maxResolved = 16 << 20

func newResolver(src *Source, env map[string]bool, root *node) *resolver {
	return &resolver{src: src, env: env, root: root, budget: maxResolved}
}

// node resolves a node at a path.
func (r *resolver) node(n *node, path []string) (override.Value, error) {
	if err := r.spend(1, n); err != nil {
		return override.Value{}, err
	}
	switch {
	case n.kind == table:
		fields := make([]override.Field, len(n.kids))
		for i, k := range n.kids {
			v, err := r.node(k, append(path, n.keys[i]))
			if err != nil {
				return v, err
			}
			fields[i] = override.Field{Key: override.StringValue(n.keys[i]), Val: v}
		}
		return override.MapValue(fields...), nil
	case n.kind == list:
		vs := make([]override.Value, len(n.kids))
		for i, k := range n.kids {
			v, err := r.node(k, append(path, strconv.Itoa(i)))
			if err != nil {
				return v, err
			}
			vs[i] = v
		}
		return override.ListValue(vs...), nil
	case n.expr != nil:
		return r.leaf(n, path)
	case n.missing():
		return n.val, fail(ClassMissing, n.from, "give it a value: "+strings.Join(path, ".")+"=...", "%s must be given", strings.Join(path, "."))
	}
	return n.val, nil
}

// spend takes n of the budget.
func (r *resolver) spend(cost int, n *node) error {
	if r.budget -= cost; r.budget < 0 {
		return fail(ClassTooLarge, n.from, "", "the resolved config is larger than %d MiB", maxResolved>>20)
	}
	return nil
}

// size is what a value takes of the budget.
func size(v override.Value) int {
	n := 1
	switch v.Kind() {
	case override.String:
		n += len(v.Text())
	case override.List:
		for _, e := range v.List() {
			n += size(e)
		}
	case override.Map:
		for _, f := range v.Fields() {
			n += size(f.Val)
		}
	}
	return n
}

// leaf resolves an interpolation.
func (r *resolver) leaf(n *node, path []string) (override.Value, error) {
	key := pathKey(path)
	if m, ok := r.memo[key]; ok {
		return m.val, r.spend(m.cost, n)
	}
	if r.visiting[key] {
		return override.Value{}, fail(ClassInterpCycle, n.from, "", "%s = %q refers to itself: %s", key, n.val.Text(), strings.Join(append(r.cycle(key), key), " -> "))
	}
	if n.expr.err != "" {
		return override.Value{}, fail(ClassInterpSyntax, n.from, `a literal "${" is written \${`, "%s = %q: %s", key, n.val.Text(), n.expr.err)
	}
	if r.visiting == nil {
		r.visiting, r.memo = map[string]bool{}, map[string]memo{}
	}
	r.visiting[key] = true
	r.stack = append(r.stack, key)
	before := r.budget
	v, err := r.expr(n, path)
	if err == nil {
		// What it took to get here was work, not size: a long chain of
		// references is as big as its last link.
		cost := size(v)
		r.budget = before - cost
		r.memo[key] = memo{v, cost}
	}
	r.stack = r.stack[:len(r.stack)-1]
	delete(r.visiting, key)
	return v, err
}

// cycle returns the paths being resolved from key on.
func (r *resolver) cycle(key string) []string {
	for i, k := range r.stack {
		if k == key {
			return append([]string(nil), r.stack[i:]...)
		}
	}
	return nil
}

func (r *resolver) expr(n *node, path []string) (override.Value, error) {
	if ref := n.expr.whole(); ref != nil {
		return r.ref(ref, n, path)
	}
	text, err := r.text(n.expr.parts, n, path)
	return override.QuotedValue(text), err
}

// text joins the parts of a string.
func (r *resolver) text(parts []part, n *node, path []string) (string, error) {
	var b strings.Builder
	for _, p := range parts {
		text := p.text
		if p.ref != nil {
			v, err := r.ref(p.ref, n, path)
			if err != nil {
				return "", err
			}
			if k := v.Kind(); k == override.List || k == override.Map {
				return "", fail(ClassInterpCycle, n.from, "only a single value can be part of a text", "%s: %s stands for a %s", strings.Join(path, "."), p.ref.text, k)
			}
			text = v.Text()
		}
		if err := r.spend(len(text), n); err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// ref resolves one reference of the leaf n at path.
func (r *resolver) ref(ref *ref, n *node, path []string) (override.Value, error) {
	if ref.resolver != "" {
		return r.call(ref, n, path)
	}
	key, err := r.text(ref.parts, n, path)
	if err != nil {
		return override.Value{}, err
	}
	key = strings.TrimSpace(key)
	var target []string
	if dots := len(key) - len(strings.TrimLeft(key, ".")); dots > 0 {
		if dots > len(path) {
			return override.Value{}, fail(ClassInterpKey, n.from, "", "%s: %s goes above the top", strings.Join(path, "."), ref.text)
		}
		target = append(target, path[:len(path)-dots]...)
		key = key[dots:]
	}
	return r.lookup(append(target, splitPath(key)...), ref, n, path)
}

// lookup resolves the value at the path target, for the leaf n.
func (r *resolver) lookup(target []string, ref *ref, n *node, path []string) (override.Value, error) {
	cur := r.root
	for i, key := range target {
		kid := cur.child(key)
		if kid == nil {
			r.look(target[:i+1])
			return override.Value{}, r.noKey(target, ref, n, path)
		}
		cur = kid
		if cur.expr == nil || i == len(target)-1 {
			continue
		}
		// A reference through a reference: the rest of the path is below
		// what that one stands for.
		r.look(target[:i+1])
		v, err := r.leaf(cur, clonePath(target[:i+1]))
		if err != nil {
			return v, err
		}
		v, ok := v.Get(strings.Join(target[i+1:], "."))
		if !ok {
			return v, r.noKey(target, ref, n, path)
		}
		return v, nil
	}
	r.look(target)
	if cur.missing() {
		return cur.val, fail(ClassInterpMissing, n.from, "give it a value: "+strings.Join(target, ".")+"=...", "%s: %s must be given", strings.Join(path, "."), ref.text)
	}
	return r.node(cur, clonePath(target))
}

func (r *resolver) noKey(target []string, ref *ref, n *node, path []string) error {
	want := strings.Join(target, ".")
	fix := meant(want, allPaths(r.root))
	if fix == "" {
		fix = `a literal "${" is written \${`
	}
	return fail(ClassInterpKey, n.from, fix, "%s: %s: no key %q in the config", strings.Join(path, "."), ref.text, want)
}

// look notes that the leaf being resolved depends on a path.
func (r *resolver) look(path []string) {
	if r.deps == nil || len(r.stack) == 0 {
		return
	}
	top := r.stack[len(r.stack)-1]
	if r.deps[top] == nil {
		r.deps[top] = map[string]struct{}{}
	}
	r.deps[top][pathKey(path)] = struct{}{}
}

// clonePath copies a path that the callee will append to.
func clonePath(path []string) []string {
	return append(make([]string, 0, len(path)+4), path...)
}

// call evaluates ${name:argument}.
func (r *resolver) call(ref *ref, n *node, path []string) (override.Value, error) {
	arg, err := r.text(ref.parts, n, path)
	if err != nil {
		return override.Value{}, err
	}
	where := strings.Join(path, ".")
	switch ref.resolver {
	case "env", "oc.env":
		name, fallback, has := strings.Cut(arg, ",")
		return r.getenv(strings.TrimSpace(name), strings.TrimSpace(fallback), has, where, n.from)
	case "now":
		s, err := strftime(r.src.Now, unquote(strings.TrimSpace(arg)))
		if err != nil {
			return override.Value{}, fail(ClassInterpCycle, n.from, "such as ${now:%Y-%m-%d}", "%s: %s: %v", where, ref.text, err)
		}
		return override.QuotedValue(s), nil
	}
	fix := didYouMean(ref.resolver, []string{"env", "oc.env", "now"})
	if fix == "" {
		fix = "there are env and now"
	}
	return override.Value{}, fail(ClassInterpKind, n.from, fix, "%s: %s: unknown resolver %q", where, ref.text, ref.resolver)
}

func (r *resolver) getenv(name, fallback string, has bool, where string, at Origin) (override.Value, error) {
	var none override.Value
	switch {
	case secretName(name):
		return none, fail(ClassEnvRefused, at, "give secrets to the program by its environment", "%s: ${env:%s} looks like a secret, and configs are stored", where, name)
	case !r.env[name]:
		return none, fail(ClassEnvRefused, at, fmt.Sprintf("add %q to the top-level list env", name), "%s: ${env:%s} is not declared", where, name)
	}
	if r.src.Env != nil {
		if v, ok := r.src.Env(name); ok {
			return override.QuotedValue(v), nil
		}
	}
	switch {
	case !has:
		return none, fail(ClassInterpCycle, at, fmt.Sprintf("set it, or give a default: ${env:%s,default}", name), "%s: the environment has no %s", where, name)
	case fallback == "null":
		return none, nil
	}
	return override.QuotedValue(unquote(fallback)), nil
}

// secretName reports whether a variable's name looks like that of a secret:
// GITHUB_TOKEN, PGPASSWORD, AWS_SECRET_ACCESS_KEY, APIKEY.
func secretName(name string) bool {
	s := strings.ToLower(name)
	for _, w := range []string{"token", "secret", "password", "passwd", "credential"} {
		if strings.Contains(s, w) {
			return true
		}
	}
	for _, w := range strings.Split(s, "_") {
		if strings.HasSuffix(w, "key") || strings.HasSuffix(w, "keys") {
			return true
		}
	}
	return false
}

// unquote strips one pair of quotes.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// allPaths returns the dotted paths of every table, list and leaf.
func allPaths(root *node) []string {
	var paths []string
	var visit func(n *node, path string)
	visit = func(n *node, path string) {
		if n.kind != table || len(paths) > 10_000 { // enough to guess from
			return
		}
		for i, k := range n.kids {
			p := joinPath(path, n.keys[i])
			paths = append(paths, p)
			visit(k, p)
		}
	}
	visit(root, "")
	return paths
}
