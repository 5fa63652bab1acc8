package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"orch/report/collect"
	"orch/sweep/override"
	"orch/sweep/results"
)

// Frozen says what was fixed before the first run, and what was changed after.
type Frozen struct {
	Hash       string    // SHA-256 of the study frozen in the newest plan; empty without one
	Time       time.Time // when the plan that first had this study was submitted
	Deviations []Deviation
}

// Deviation is a change of the plan after its first segment.
type Deviation struct {
	Segment int
	Time    time.Time
	Text    string
}

// studyHash identifies a study: SHA-256 of its canonical JSON, in the order of
// the sweep file.
func studyHash(study override.Value) string {
	if study.IsNull() {
		return ""
	}
	sum := sha256.Sum256(study.AppendJSON(nil))
	return hex.EncodeToString(sum[:])
}

// freeze compares the segments of a plan. Segments that add or retry runs carry
// no study of their own; a rerun voids results, which a reader must know.
func freeze(t *collect.Tables) Frozen {
	f := Frozen{Hash: studyHash(t.Header.Study), Time: t.Header.Provenance.Time.UTC()}
	var before *results.Header
	sets := map[string]results.Data{} // by name and folder
	for i := range t.Segments {
		h := &t.Segments[i]
		add := func(format string, args ...any) {
			f.Deviations = append(f.Deviations, Deviation{h.Number, h.Provenance.Time.UTC(), fmt.Sprintf(format, args...)})
		}
		for _, x := range h.Provenance.Data {
			key := x.Name + "\x00" + x.Dir
			if was, ok := sets[key]; ok && (was.SHA256 != x.SHA256 || was.Bytes != x.Bytes) {
				add("the data set %s was another: SHA-256 %s before, %s now", x.Name, cmpOr(first(was.SHA256, 12), "unknown"), cmpOr(first(x.SHA256, 12), "unknown"))
			}
			sets[key] = x
		}
		if h.Kind == results.KindRerun {
			add("runs were started anew, and their earlier results no longer count")
		}
		if h.Kind != results.KindPlan && (h.Kind != results.KindRerun || len(h.Axes) == 0) {
			continue
		}
		if before != nil {
			for _, text := range changes("study", before.Study, h.Study) {
				add("%s", text)
			}
			for _, text := range axisChanges(before.Axes, h.Axes) {
				add("%s", text)
			}
		}
		if before == nil || studyHash(before.Study) != studyHash(h.Study) {
			if studyHash(h.Study) == f.Hash {
				f.Time = h.Provenance.Time.UTC()
			}
		}
		before = h
	}
	return f
}

// changes lists what differs between two values, by dotted path.
func changes(path string, a, b override.Value) []string {
	switch {
	case a.Equal(b):
		return nil
	case a.IsNull():
		return []string{fmt.Sprintf("%s was added: %s", path, shorten(b.Text(), 80))}
	case b.IsNull():
		return []string{fmt.Sprintf("%s was taken out: %s", path, shorten(a.Text(), 80))}
	case a.Kind() == override.Map && b.Kind() == override.Map:
		var out, keys []string
		for _, f := range slices.Concat(a.Fields(), b.Fields()) {
			if k := f.Key.Text(); !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
		for _, k := range keys {
			x, _ := a.Lookup(k)
			y, _ := b.Lookup(k)
			out = append(out, changes(path+"."+k, x, y)...)
		}
		return out
	case a.Kind() == override.List && b.Kind() == override.List && a.Len() == b.Len():
		var out []string
		for i := range a.List() {
			out = append(out, changes(fmt.Sprintf("%s.%d", path, i), a.List()[i], b.List()[i])...)
		}
		return out
	}
	return []string{fmt.Sprintf("%s was changed from %s to %s", path, shorten(a.Text(), 60), shorten(b.Text(), 60))}
}

func axisChanges(a, b []results.Axis) []string {
	values := func(axes []results.Axis, key string) ([]string, bool) {
		for _, x := range axes {
			if x.Key == key {
				var texts []string
				for _, v := range x.Values {
					texts = append(texts, v.Text())
				}
				return texts, true
			}
		}
		return nil, false
	}
	var out, keys []string
	for _, x := range slices.Concat(a, b) {
		if !slices.Contains(keys, x.Key) {
			keys = append(keys, x.Key)
		}
	}
	for _, k := range keys {
		x, had := values(a, k)
		y, has := values(b, k)
		switch {
		case !had:
			out = append(out, fmt.Sprintf("axis %s was added with %d %s", k, len(y), plural(len(y), "value")))
		case !has:
			out = append(out, fmt.Sprintf("axis %s with %d %s was taken out", k, len(x), plural(len(x), "value")))
		case !slices.Equal(x, y):
			out = append(out, fmt.Sprintf("axis %s was changed from %d values (%s) to %d (%s)", k,
				len(x), shorten(strings.Join(x, ", "), 40), len(y), shorten(strings.Join(y, ", "), 40)))
		}
	}
	return out
}
