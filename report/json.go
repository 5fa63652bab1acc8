package report

import (
	"bytes"
	"encoding/json"
	"math"

	"orch/report/collect"
	"orch/report/stat"
	"orch/sweep/override"
)

// JSON renders report.json: every number that another format prints, with full
// precision, for programs. Its schema is orch.report/1; within a version,
// members are only added. JSON has no NaN: such a number is null.
var JSON = Format{Name: "json", Render: func(r *Report) ([]File, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(true)
	e.SetIndent("", " ")
	if err := e.Encode(newReportJSON(r)); err != nil {
		return nil, err
	}
	return []File{{"report.json", b.Bytes()}}, nil
}}

// num is a number that may not be finite.
type num float64

func (n num) MarshalJSON() ([]byte, error) {
	if f := float64(n); !math.IsNaN(f) && !math.IsInf(f, 0) {
		return override.AppendFloat(nil, f), nil
	}
	return []byte("null"), nil
}

func (n *num) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = num(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

type (
	reportJSON struct {
		Schema      string           `json:"schema"`
		Sweep       string           `json:"sweep"`
		Title       string           `json:"title"`
		Study       override.Value   `json:"study"`
		StudyHash   string           `json:"study_sha256,omitempty"`
		Exploratory bool             `json:"exploratory"`
		Verdict     *verdictJSON     `json:"verdict"`
		Counts      countsJSON       `json:"counts"`
		Factors     []string         `json:"factors"`
		Seeds       []string         `json:"seeds"`
		Fixed       []settingJSON    `json:"fixed"`
		Metrics     []metricJSON     `json:"metrics"`
		Rows        []rowJSON        `json:"rows"`
		Correction  string           `json:"correction"`
		Comparisons []comparisonJSON `json:"comparisons"`
		Marginals   []rowJSON        `json:"marginals"`
		DataSets    *dataSetsJSON    `json:"data_sets,omitempty"`
		Methods     *methodsJSON     `json:"methods,omitempty"`
		Effort      effortJSON       `json:"effort"`
		Deviations  []deviationJSON  `json:"deviations"`
		Warnings    []warningJSON    `json:"warnings"`
		Provenance  any              `json:"provenance"`
		Codes       []countJSON      `json:"codes"`
		Hosts       []string         `json:"hosts"`
		Runs        []runJSON        `json:"runs"`
	}
	countJSON struct {
		Name string `json:"name"`
		N    int    `json:"n"`
	}
	countsJSON struct {
		Planned   int         `json:"planned"`
		Done      int         `json:"done"`
		Failed    int         `json:"failed"`
		Missing   int         `json:"missing"`
		Unplanned int         `json:"unplanned,omitempty"`
		Classes   []countJSON `json:"failed_by_class"`
		States    []countJSON `json:"missing_by_state"`
	}
	settingJSON struct {
		Key   string         `json:"key"`
		Value override.Value `json:"value"`
	}
	metricJSON struct {
		Name       string    `json:"name"`
		Goal       Goal      `json:"goal,omitempty"`
		Unit       string    `json:"unit,omitempty"`
		Aggregate  Aggregate `json:"aggregate"`
		Definition string    `json:"definition,omitempty"`
	}
	intervalJSON struct {
		Lo    num `json:"lo"`
		Hi    num `json:"hi"`
		Level num `json:"level"`
	}
	cellJSON struct {
		N           int           `json:"n"`
		NaN         int           `json:"nan"`
		Inf         int           `json:"infinite"`
		Absent      int           `json:"absent"`
		Mean        num           `json:"mean"`
		SD          num           `json:"sd"`
		Median      num           `json:"median"`
		Min         num           `json:"min"`
		Max         num           `json:"max"`
		Interval    *intervalJSON `json:"interval"`
		Best        bool          `json:"best,omitempty"`
		Significant bool          `json:"significant,omitempty"`
	}
	rowJSON struct {
		Factor   string     `json:"factor,omitempty"`
		Settings []string   `json:"settings"`
		Counts   countsJSON `json:"counts"`
		Cells    []cellJSON `json:"cells"`
	}
	testJSON struct {
		Name      string `json:"name"`
		N         int    `json:"n"`
		M         int    `json:"m,omitempty"`
		Excluded  int    `json:"excluded"`
		Zeros     int    `json:"zeros"`
		Statistic num    `json:"statistic"`
		DF        num    `json:"df"`
		P         num    `json:"p"`
		Floor     num    `json:"p_floor"`
		Exact     bool   `json:"exact"`
	}
	verdictJSON struct {
		Outcome   Outcome       `json:"outcome"`
		Sentence  string        `json:"sentence"`
		Reasons   []string      `json:"reasons"`
		Compare   string        `json:"compare"`
		Metric    string        `json:"metric"`
		Candidate armJSON       `json:"candidate"`
		Baseline  armJSON       `json:"baseline"`
		Alpha     num           `json:"alpha"`
		MinEffect num           `json:"min_effect"`
		Estimate  num           `json:"estimate"`
		Interval  *intervalJSON `json:"interval"`
		Test      testJSON      `json:"test"`
		Exact     *testJSON     `json:"exact,omitempty"`
		PSuperior num           `json:"p_superior"`
		Planned   int           `json:"planned"`
		Used      int           `json:"used"`
		Broken    []string      `json:"broken"`
	}
	armJSON struct {
		Value override.Value `json:"value"`
		cellJSON
	}
	comparisonJSON struct {
		Factor    string        `json:"factor"`
		Value     string        `json:"value"`
		Reference string        `json:"reference"`
		Metric    string        `json:"metric"`
		Pairs     int           `json:"pairs"`
		Planned   int           `json:"planned"`
		Estimate  num           `json:"estimate"`
		Interval  *intervalJSON `json:"interval"`
		Test      testJSON      `json:"test"`
		Exact     *testJSON     `json:"exact,omitempty"`
		Corrected num           `json:"p_corrected"`
		PSuperior num           `json:"p_superior"`
	}
	methodsJSON struct {
		Factor   string   `json:"factor"`
		Data     string   `json:"data"`
		Metric   string   `json:"metric"`
		Labels   []string `json:"values"`
		Ranks    []num    `json:"mean_ranks"`
		Sets     int      `json:"data_sets"`
		Used     int      `json:"used"`
		Friedman testJSON `json:"friedman"`
		Distance num      `json:"critical_distance"`
	}
	dataSetsJSON struct {
		Factor     string           `json:"factor"`
		Data       string           `json:"data"`
		Metric     string           `json:"metric"`
		Scaled     bool             `json:"scaled"`
		Sets       []string         `json:"sets"`
		Thresholds []num            `json:"thresholds"`
		Methods    []setsMethodJSON `json:"methods"`
	}
	setsMethodJSON struct {
		Value    string        `json:"value"`
		Counts   countsJSON    `json:"counts"`
		NaN      int           `json:"not_finite"`
		IQM      num           `json:"iqm"`
		Interval *intervalJSON `json:"interval"`
		Means    []cellJSON    `json:"cells"`
		Profile  []num         `json:"profile"`
	}
	effortJSON struct {
		Seconds     num `json:"seconds"`
		Lost        num `json:"seconds_not_counted"`
		CPU         num `json:"cpu_seconds"`
		Asked       num `json:"asked_worker_seconds"`
		AskedCPU    num `json:"asked_cpu_seconds"`
		AskedGPU    num `json:"asked_gpu_seconds"`
		Submissions int `json:"submissions"`
		Workers     int `json:"workers"`
		Wait        num `json:"median_wait_seconds"`
	}
	deviationJSON struct {
		Segment int    `json:"segment"`
		Text    string `json:"text"`
	}
	warningJSON struct {
		Code string `json:"code"`
		Text string `json:"text"`
	}
	runJSON struct {
		ID      string         `json:"id"`
		Name    string         `json:"name"`
		State   string         `json:"state"`
		Class   string         `json:"class,omitempty"`
		Swept   override.Value `json:"swept"`
		Metrics map[string]num `json:"metrics"`
		Seconds num            `json:"seconds"`
	}
)

func newReportJSON(r *Report) reportJSON {
	x := reportJSON{
		Schema: "orch.report/1", Sweep: r.Sweep, Title: r.Title, Study: r.Tables.Header.Study, StudyHash: r.Frozen.Hash, Exploratory: r.Exploratory, Correction: r.Correction,
		Counts: newCountsJSON(r.Counts), Factors: some(r.Factors), Seeds: some(r.Seeds), Hosts: some(r.Hosts), Codes: newCountJSON(r.Codes),
		Provenance: r.Provenance,
		Effort: effortJSON{num(r.Effort.Seconds), num(r.Effort.Lost), num(r.Effort.CPUSeconds), num(r.Effort.Asked), num(r.Effort.AskedCPU), num(r.Effort.AskedGPU),
			r.Effort.Submissions, r.Effort.Workers, num(r.Effort.Wait)},
	}
	x.Fixed = mapTo(r.Fixed, func(s Setting) settingJSON { return settingJSON(s) })
	x.Metrics = mapTo(r.Metrics, func(m Metric) metricJSON {
		a := m.Aggregate
		if a == "" {
			a = Final
		}
		return metricJSON{m.Name, m.Goal, m.Unit, a, m.Definition}
	})
	x.Rows = mapTo(r.Rows, func(w Row) rowJSON {
		return rowJSON{"", some(w.Settings), newCountsJSON(w.Counts), mapTo(w.Cells, newCellJSON)}
	})
	x.Marginals = mapTo(r.Marginals, func(m Marginal) rowJSON {
		return rowJSON{m.Factor, []string{m.Value}, newCountsJSON(m.Counts), mapTo(m.Cells, newCellJSON)}
	})
	x.Comparisons = mapTo(r.Comparisons, func(c Comparison) comparisonJSON {
		return comparisonJSON{c.Factor, c.Value, c.Reference, c.Metric, c.Pairs, c.Planned, num(c.Estimate), newIntervalJSON(c.Interval), newTestJSON(c.Test), newExactJSON(c.Exact), num(c.Corrected), num(c.PSuperior)}
	})
	x.Deviations = mapTo(r.Frozen.Deviations, func(d Deviation) deviationJSON { return deviationJSON{d.Segment, d.Text} })
	x.Warnings = mapTo(r.Warnings, func(w Warning) warningJSON { return warningJSON(w) })
	if m := r.Methods; m != nil {
		x.Methods = &methodsJSON{m.Factor, m.Data, m.Metric.Name, m.Labels, mapTo(m.Ranks, func(f float64) num { return num(f) }), m.Sets, m.Used, newTestJSON(m.Friedman), num(m.Distance)}
	}
	if s := r.DataSets; s != nil {
		x.DataSets = newDataSetsJSON(s)
	}
	x.Runs = []runJSON{}
	for i := range r.Tables.Runs {
		if run := &r.Tables.Runs[i]; run.Planned() {
			x.Runs = append(x.Runs, newRunJSON(run))
		}
	}
	if v := r.Verdict; v != nil {
		x.Verdict = &verdictJSON{Outcome: v.Outcome, Sentence: v.Sentence(), Reasons: v.Reasons, Compare: v.Criterion.Compare, Metric: v.Metric.Name,
			Candidate: newArmJSON(v.Candidate), Baseline: newArmJSON(v.Baseline), Alpha: num(v.Criterion.Alpha), MinEffect: num(v.Criterion.MinEffect),
			Estimate: num(v.Estimate), Interval: newIntervalJSON(v.Interval), Test: newTestJSON(v.Test), PSuperior: num(v.PSuperior),
			Planned: v.Planned, Used: v.Used, Broken: some(v.Broken)}
		x.Verdict.Test.Name = v.Criterion.Test
		x.Verdict.Exact = newExactJSON(v.Exact)
	}
	return x
}

// some makes an empty list of nil, which JSON would call null.
func some(s []string) []string { return append([]string{}, s...) }

func mapTo[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, x := range in {
		out[i] = f(x)
	}
	return out
}

func newCountJSON(c []Count) []countJSON {
	return mapTo(c, func(c Count) countJSON { return countJSON(c) })
}

func newCountsJSON(c Counts) countsJSON {
	return countsJSON{c.Planned, c.Done, c.Failed, c.Missing, c.Unplanned, newCountJSON(c.Classes), newCountJSON(c.States)}
}

func newIntervalJSON(iv *stat.Interval) *intervalJSON {
	if iv == nil {
		return nil
	}
	return &intervalJSON{num(iv.Lo), num(iv.Hi), num(iv.Level)}
}

func newCellJSON(c Cell) cellJSON {
	return cellJSON{c.N, c.NaN, c.Inf, c.Absent, num(c.Mean), num(c.SD), num(c.Median), num(c.Min), num(c.Max), newIntervalJSON(c.Interval), c.Best, c.Significant}
}

func newArmJSON(a Arm) armJSON {
	return armJSON{a.Value, newCellJSON(Cell{Summary: a.Summary, Interval: a.Interval})}
}

func newTestJSON(t stat.Test) testJSON {
	return testJSON{t.Name, t.N, t.M, t.Excluded, t.Zeros, num(t.Statistic), num(t.DF), num(t.P), num(t.Floor), t.Exact}
}

func newDataSetsJSON(s *DataSets) *dataSetsJSON {
	x := &dataSetsJSON{Factor: s.Factor, Data: s.Data, Metric: s.Metric.Name, Scaled: s.Scaled, Sets: s.Sets, Thresholds: nums(s.Thresholds)}
	for i, m := range s.Methods {
		x.Methods = append(x.Methods, setsMethodJSON{s.Labels[i], newCountsJSON(m.Counts), m.NaN, num(m.IQM), newIntervalJSON(m.Interval), mapTo(m.Means, newCellJSON), nums(m.Profile)})
	}
	return x
}

func nums(x []float64) []num { return mapTo(x, func(f float64) num { return num(f) }) }

func newExactJSON(t *stat.Test) *testJSON {
	if t == nil {
		return nil
	}
	x := newTestJSON(*t)
	return &x
}

func newRunJSON(run *collect.Run) runJSON {
	x := runJSON{ID: run.ID, Name: run.Name, State: run.State, Swept: override.MapValue(run.Swept...), Metrics: map[string]num{}, Seconds: num(run.Seconds)}
	if run.State == "done" || run.State == "failed" {
		x.Class = run.Class.String()
	}
	for _, m := range run.Metrics {
		x.Metrics[m.Name] = num(m.Value)
	}
	return x
}
