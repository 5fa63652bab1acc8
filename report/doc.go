// Package report turns the tables of a sweep into something that can be pasted
// into a thesis: what was asked, what was run, what came out, and whether the
// criterion fixed beforehand is met.
//
// [Build] makes a [Report] of [collect.Tables]; it is a pure function. A format
// is a function from the report to files; it decides how things look and
// computes nothing, so that all formats print the same numbers. Those for readers
// ([HTML], [PDF], [Markdown], [LaTeX]) render one document, a list of headings,
// paragraphs, tables and figures made by compose: a new section is written once.
// [CSV] and [JSON] have every number with full precision, [Notebook] computes the
// main table anew, [Figures] writes each picture as PDF, SVG and PNG. A new format
// is one new file and one more entry in a list of cmd/orch.
//
// No format needs a browser, LaTeX, Python or the network, and equal tables give
// equal bytes. All of them together take 0.2 s for 15 runs with 60 steps and
// 1.0 s for 10,000 runs with 20 (BenchmarkAllFormats, 2 cores of an AMD EPYC).
//
// What the report stands for:
//
//   - Every planned run is in the denominator. Failed and missing runs are
//     counted beside the mean that lacks them, never dropped in silence.
//   - A mean has an interval and a number of runs; one run has neither standard
//     deviation nor interval.
//   - The verdict comes from the sweep file's [study.success], which the plan
//     froze before the first run ([Study], [Verdict]). Without one the report
//     calls itself exploratory.
package report
