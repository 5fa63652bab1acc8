package report

import (
	"bytes"

	"orch/report/collect"
)

// CSV renders tables/main.csv (a row of the main table a line; n, mean, sd,
// interval, median and range per metric as columns), tables/runs.csv (a run a
// line) and, where something is compared, tables/tests.csv. Numbers have full
// precision; see [collect.CSV] for the details of the format.
var CSV = Format{Name: "csv", Render: func(r *Report) ([]File, error) {
	main, err := mainCSV(r)
	if err != nil {
		return nil, err
	}
	var runs bytes.Buffer
	if err := r.Tables.WriteRuns(&runs); err != nil {
		return nil, err
	}
	tests, err := testsCSV(r)
	if err != nil {
		return nil, err
	}
	return []File{{"tables/main.csv", main}, {"tables/runs.csv", runs.Bytes()}, {"tables/tests.csv", tests}}, nil
}}

func mainCSV(r *Report) ([]byte, error) {
	var b bytes.Buffer
	head := append([]string{}, r.Factors...)
	head = append(head, "planned", "done", "failed", "missing")
	for _, m := range r.Metrics {
		for _, part := range []string{"n", "nonfinite", "mean", "sd", "ci_low", "ci_high", "median", "min", "max"} {
			head = append(head, m.Name+"."+part)
		}
	}
	c := collect.NewCSV(&b, head...)
	for _, row := range r.Rows {
		for _, s := range row.Settings {
			c.Scalar(s)
		}
		for _, n := range []int{row.Counts.Planned, row.Counts.Done, row.Counts.Failed, row.Counts.Missing} {
			c.Int(int64(n))
		}
		for _, x := range row.Cells {
			c.Int(int64(x.N))
			c.Int(int64(x.NaN + x.Inf))
			c.Number(x.Mean)
			c.Number(x.SD)
			if x.Interval != nil {
				c.Number(x.Interval.Lo)
				c.Number(x.Interval.Hi)
			} else {
				c.Empty()
				c.Empty()
			}
			c.Number(x.Median)
			c.Number(x.Min)
			c.Number(x.Max)
		}
		c.End()
	}
	err := c.Flush()
	return b.Bytes(), err
}

// testsCSV has the verdict in its first line, or the exploratory comparisons.
func testsCSV(r *Report) ([]byte, error) {
	var b bytes.Buffer
	c := collect.NewCSV(&b, "factor", "value", "reference", "metric", "test", "planned", "pairs", "difference", "ci_level", "ci_low", "ci_high", "statistic", "df", "p", "p_floor", "p_exact", "p_exact_floor", "p_corrected", "correction", "p_superior", "verdict")
	if v := r.Verdict; v != nil {
		row := Comparison{Factor: v.Criterion.Compare, Value: v.Candidate.Label, Reference: v.Baseline.Label, Metric: v.Metric.Name,
			Pairs: v.Used, Planned: v.Planned, Estimate: v.Estimate, Interval: v.Interval, Test: v.Test, Exact: v.Exact, Corrected: v.Test.P, PSuperior: v.PSuperior}
		row.Test.Name = v.Criterion.Test
		testRow(c, row, "none", string(v.Outcome))
	}
	for _, row := range r.Comparisons {
		testRow(c, row, r.Correction, "")
	}
	err := c.Flush()
	return b.Bytes(), err
}

func testRow(c *collect.CSV, x Comparison, correction, verdict string) {
	c.Text(x.Factor)
	c.Scalar(x.Value)
	c.Scalar(x.Reference)
	c.Text(x.Metric)
	c.Text(x.Test.Name)
	c.Int(int64(x.Planned))
	c.Int(int64(x.Pairs))
	c.Number(x.Estimate)
	if x.Interval != nil {
		c.Number(x.Interval.Level)
		c.Number(x.Interval.Lo)
		c.Number(x.Interval.Hi)
	} else {
		c.Empty()
		c.Empty()
		c.Empty()
	}
	c.Number(x.Test.Statistic)
	c.Number(x.Test.DF)
	c.Number(x.Test.P)
	c.Number(x.Test.Floor)
	if x.Exact != nil {
		c.Number(x.Exact.P)
		c.Number(x.Exact.Floor)
	} else {
		c.Empty()
		c.Empty()
	}
	c.Number(x.Corrected)
	c.Text(correction)
	c.Number(x.PSuperior)
	c.Text(verdict)
	c.End()
}
