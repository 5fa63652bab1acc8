package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Notebook renders report.ipynb (nbformat 4.5): it computes the main table and
// the paired differences anew from tables/runs.csv, beside it, with Python's csv
// module alone, and draws with matplotlib where that is installed.
var Notebook = Format{Name: "ipynb", Render: func(r *Report) ([]File, error) {
	columns, err := r.csvColumns()
	if err != nil {
		return nil, err
	}
	var rows bytes.Buffer
	if err := r.Tables.WriteRuns(&rows); err != nil {
		return nil, err
	}
	nb := notebook{Format: 4, Minor: 5, Cells: []nbCell{}}
	nb.Metadata.Kernel = nbKernel{"Python 3", "python", "python3"}
	nb.Metadata.Language = nbLanguage{"python"}
	intro := "# " + mdText(r.Title) + "\n\n"
	if v := r.Verdict; v != nil {
		intro += "**Criterion " + string(v.Outcome) + ".** " + mdText(v.Sentence()) + "\n\n"
	}
	intro += "This notebook reads `tables/runs.csv` beside it. Python's standard library is enough; pictures need matplotlib."
	nb.markdown(intro)
	nb.code(fmt.Sprintf("FACTORS = %s\nSEEDS = %s\nMETRICS = %s\nMINIMIZE = %s\n%s", columns.factors, columns.seeds, columns.metrics, columns.minimize, notebookRead))
	nb.markdown("## Mean, standard deviation and n per setting")
	nb.code(notebookTable)
	nb.markdown("## Differences over pairs that share their seeds")
	nb.code(notebookPairs)
	nb.markdown("## Pictures")
	nb.code(notebookDraw)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(nb); err != nil {
		return nil, err
	}
	return []File{{"report.ipynb", b.Bytes()}, {"tables/runs.csv", rows.Bytes()}}, nil
}}

type (
	notebook struct {
		Cells    []nbCell `json:"cells"`
		Metadata struct {
			Kernel   nbKernel   `json:"kernelspec"`
			Language nbLanguage `json:"language_info"`
		} `json:"metadata"`
		Format int `json:"nbformat"`
		Minor  int `json:"nbformat_minor"`
	}
	nbKernel struct {
		Display  string `json:"display_name"`
		Language string `json:"language"`
		Name     string `json:"name"`
	}
	nbLanguage struct {
		Name string `json:"name"`
	}
	nbCell struct {
		Type     string    `json:"cell_type"`
		Count    *nbNull   `json:"execution_count,omitempty"`
		ID       string    `json:"id"`
		Metadata struct{}  `json:"metadata"`
		Outputs  *[]string `json:"outputs,omitempty"`
		Source   []string  `json:"source"`
	}
	nbNull struct{}
)

func (nbNull) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

func (nb *notebook) markdown(s string) {
	nb.Cells = append(nb.Cells, nbCell{Type: "markdown", ID: fmt.Sprintf("cell-%d", len(nb.Cells)), Source: strings.SplitAfter(s, "\n")})
}

func (nb *notebook) code(s string) {
	nb.Cells = append(nb.Cells, nbCell{Type: "code", ID: fmt.Sprintf("cell-%d", len(nb.Cells)), Count: &nbNull{}, Outputs: &[]string{}, Source: strings.SplitAfter(strings.TrimSpace(s), "\n")})
}

// notebookColumns are lists of column names of runs.csv, as Python literals: a
// JSON list of strings is one.
type notebookColumns struct{ factors, seeds, metrics, minimize string }

func (r *Report) csvColumns() (notebookColumns, error) {
	var b bytes.Buffer
	empty := *r.Tables // only the header is wanted, but that depends on the rows
	if err := empty.WriteRuns(&b); err != nil {
		return notebookColumns{}, err
	}
	head, err := csv.NewReader(&b).Read()
	if err != nil {
		return notebookColumns{}, fmt.Errorf("read the header of runs.csv: %w", err)
	}
	keys, names := r.Tables.SweptKeys(), r.Tables.MetricNames()
	const before = 5 // id, name, planned, state, class
	column := func(all []string, name string, offset int) string {
		if i := slices.Index(all, name); i >= 0 {
			return head[before+offset+i]
		}
		return ""
	}
	list := func(names []string) string {
		s, _ := json.Marshal(slices.DeleteFunc(names, func(s string) bool { return s == "" })) // strings always encode
		return string(s)
	}
	var factors, seeds, metrics, minimize = []string{}, []string{}, []string{}, []string{}
	for _, k := range r.Factors {
		factors = append(factors, column(keys, k, 0))
	}
	for _, k := range r.Seeds {
		seeds = append(seeds, column(keys, k, 0))
	}
	for _, m := range r.Metrics {
		c := column(names, m.Name, len(keys))
		metrics = append(metrics, c)
		if m.Goal == Minimize {
			minimize = append(minimize, c)
		}
	}
	return notebookColumns{list(factors), list(seeds), list(metrics), list(minimize)}, nil
}

const notebookRead = `
import csv, math

def number(text):
    try:
        return float(text)
    except ValueError:
        return math.nan

with open("tables/runs.csv", newline="", encoding="utf-8") as f:
    runs = [r for r in csv.DictReader(f) if r["planned"] == "true"]
done = [r for r in runs if r["state"] == "done"]
print(len(runs), "runs planned,", len(done), "done")

def setting(run):
    return tuple(run[k] for k in FACTORS)

groups = {}
for r in runs:
    groups.setdefault(setting(r), []).append(r)
`

const notebookTable = `
def mean(x):
    return math.fsum(x) / len(x)

def sd(x):
    m = mean(x)
    return math.sqrt(math.fsum((v - m) ** 2 for v in x) / (len(x) - 1))

def values(rs, metric):
    x = [number(r[metric]) for r in rs if r["state"] == "done"]
    return [v for v in x if math.isfinite(v)]

for metric in METRICS:
    print(metric, "(lower is better)" if metric in MINIMIZE else "")
    for key, rs in groups.items():
        x = values(rs, metric)
        text = "no value" if not x else f"{mean(x):.6g}" + (f"  sd {sd(x):.3g}" if len(x) > 1 else "")
        print("  ", ", ".join(key) or "all runs", " ", text, f" n = {len(x)} of {len(rs)}")
`

const notebookPairs = `
if SEEDS and METRICS and len(groups) > 1:
    metric = METRICS[0]
    by_seed = {key: {tuple(r[s] for s in SEEDS): number(r[metric]) for r in rs if r["state"] == "done"} for key, rs in groups.items()}
    first = next(iter(groups))
    for key in list(groups)[1:]:
        d = [by_seed[key][s] - by_seed[first][s] for s in by_seed[key] if s in by_seed[first]]
        d = [v for v in d if math.isfinite(v)]
        if d:
            t = f"  t({len(d) - 1}) = {mean(d) / (sd(d) / math.sqrt(len(d))):.3g}" if len(d) > 1 and sd(d) > 0 else ""
            print(f"{metric}: {', '.join(key)} minus {', '.join(first)}: {mean(d):.4g}{t}  n = {len(d)} pairs")
`

const notebookDraw = `
try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None
    width = 50
    for metric in METRICS[:1]:
        everything = [v for rs in groups.values() for v in values(rs, metric)]
        if not everything:
            continue
        lo, hi = min(everything), max(everything)
        print(metric, "from", f"{lo:.4g}", "to", f"{hi:.4g}")
        for key, rs in groups.items():
            line = [" "] * (width + 1)
            for v in values(rs, metric):
                line[round((v - lo) / ((hi - lo) or 1) * width)] = "o"
            print("".join(line), ", ".join(key))
else:
    for metric in METRICS:
        plt.figure(figsize=(5, 0.5 + 0.3 * len(groups)))
        for i, (key, rs) in enumerate(groups.items()):
            x = values(rs, metric)
            plt.plot(x, [-i] * len(x), "o", color="#0072b2", markersize=4)
            if x:
                plt.plot(mean(x), -i, "D", color="black", markersize=5)
        plt.yticks([-i for i in range(len(groups))], [", ".join(k) for k in groups])
        plt.xlabel(metric)
        plt.show()
`
