// Package report turns the tables of a sweep into something that can be pasted
// into a thesis: what was asked, what was run, what came out, and whether the
// criterion fixed beforehand is met.
//
// [Build] makes a [Report] of [collect.Tables]; it is a pure function. A format
// is a function from the report to files ([Markdown], [CSV]); it decides how
// things look and computes nothing, so that all formats print the same numbers.
// A new format is one new file and one more entry in a list of cmd/orch.
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
