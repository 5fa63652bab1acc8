package compose

import "orch/sweep/override"

// Place is what the machine where orch is typed adds to the options of a group:
// a cluster's account and partition for its launchers. Its values are stronger
// than those of the last layer, which is the shipped one, and weaker than those
// of every other file.
type Place struct {
	Label string // of its file, as shown in origins
	Text  []byte // TOML

	// Tables returns which tables of Text a config gets, the weakest first.
	// name is as "launcher/slurm", config the file without what it includes.
	Tables func(name string, config override.Value) [][]string

	body *node
}

// Parse reads Text. It is called once, before the Source is used.
func (p *Place) Parse() (override.Value, error) {
	f, err := parseFile("", p.Label, p.Text)
	if err != nil {
		return override.Value{}, err
	}
	p.body = f.body
	return f.body.value(), nil
}

// Line returns where a key of the file stands.
func (p *Place) Line(path ...string) Origin {
	for ; len(path) > 0; path = path[:len(path)-1] {
		if n := p.body.get(path); n != nil {
			return n.from
		}
	}
	return Origin{File: p.Label}
}

// adapt lays the place's keys over a shipped file, and below any other.
func (p *Place) adapt(f *file, shipped bool) error {
	body := f.body
	own := newTable(Origin{File: p.Label})
	for _, path := range p.Tables(f.name, body.value()) {
		t := p.body.get(path)
		if t == nil || t.kind != table {
			continue
		}
		for i, key := range t.keys {
			if t.kids[i].kind != table { // a table inside is another launcher's
				own.set(key, t.kids[i])
			}
		}
	}
	var err error
	if shipped {
		f.body, err = merge(body, own, "")
	} else {
		f.body, err = merge(own, body, "")
	}
	return err
}
