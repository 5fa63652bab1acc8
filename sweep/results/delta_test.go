package results

import (
	"testing"

	"orch/sweep/override"
)

// What the reader of deltas says is what building the whole config says.
func TestDeltaReader(t *testing.T) {
	parse := func(s string) override.Value {
		v, err := override.ParseJSON([]byte(s))
		if err != nil {
			t.Fatal(s, err)
		}
		return v
	}
	h := &Header{
		Bases:   []override.Value{parse(`{"x":1,"model":{"name":"a","depth":2},"xs":[1,{"y":2}],"s":"t","n":null}`), parse(`{"model":{"name":"b"}}`)},
		Choices: []override.Value{parse(`{}`), parse(`{"model":"net5"}`)},
	}
	for _, axis := range []string{"x", "model", "model.name", "model.depth", "model.new.deep", "xs", "xs.0", "xs.1.y", "xs.7", "s", "s.u", "none", "n"} {
		h.Axes = append(h.Axes, Axis{Key: axis})
	}
	d := h.DeltaReader()
	for _, raw := range []string{
		`{}`, `{"x":2}`, `{"x":-3,"s":"word"}`, `{"x":1.5}`, `{"x":1e400}`, `{"x":-0}`, `{"x":00}`, `{"x":12345678901234567890}`, `{"x":1e-7}`, `{"x":true,"n":false}`, `{"x":null}`,
		`{"x":"with \"quotes\""}`, `{"x":"grüße"}`, `{"x":[1,2]}`, `{"x":{"$float":"inf"}}`, `{"$float":"inf"}`, `{"x":"5"}`,
		`{"model.name":"z"}`, `{"model":{"name":"q"},"model.depth":5}`, `{"model.depth":5,"model":"gone"}`, `{"model.new.deep":1}`, `{"model.new":{"deep":3}}`,
		`{"xs.0":9}`, `{"xs.1.y":9}`, `{"xs.7":9}`, `{"s.u":1}`, `{"s":{"u":2}}`, `{"x":1,"x":2}`, `{"none":"value 0 of a delta, 9d1c66e4"}`, `{"":1}`,
		`{"x":1`, `[]`, `{"x":tru}`, `{"x":1}}`, `{"x":"a"b"}`, `{"x":+1}`, `{"x":.5}`, `{"x" :1}`,
	} {
		for base := range h.Bases {
			r := &RunSpec{ID: "i", Name: "n", Base: base, raw: []byte(raw)}
			config, err := r.Config(h)
			var want []override.Field
			for _, a := range h.Axes {
				if v, ok := r.Swept(h, a.Key, config); ok {
					want = append(want, override.Field{Key: override.StringValue(a.Key), Val: v})
				}
			}
			got, gotErr := d.AppendSwept(nil, r)
			if g, w := override.MapValue(got...), override.MapValue(want...); !g.Equal(w) || string(g.AppendJSON(nil)) != string(w.AppendJSON(nil)) {
				t.Errorf("base %d, delta %s: swept %s, want %s", base, raw, g.AppendJSON(nil), w.AppendJSON(nil))
			}
			if (err == nil) != (gotErr == nil) || err != nil && err.Error() != gotErr.Error() {
				t.Errorf("base %d, delta %s: error %v, want %v", base, raw, gotErr, err)
			}
			for _, a := range h.Axes {
				want, wantOK := config.Get(a.Key)
				for range 2 { // made and remembered
					if got, ok := d.Get(r, a.Key); ok != wantOK || !got.Equal(want) {
						t.Errorf("base %d, delta %s: %s is %s, %v, want %s, %v", base, raw, a.Key, got.AppendJSON(nil), ok, want.AppendJSON(nil), wantOK)
					}
				}
			}
			if err != nil {
				continue
			}
			for range 2 { // made and remembered
				json, err := d.AppendConfig(nil, r)
				if want := string(config.AppendJSON(nil)); string(json) != want || err != nil {
					t.Errorf("base %d, delta %s: config %s, %v, want %s", base, raw, json, err, want)
				}
			}
		}
	}
}
