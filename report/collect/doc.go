// Package collect folds a results tree into tables: a pure function of the tree's bytes.
//
// What it costs, measured on 27 November 2026 with deploy/bench -f collect status
// (2 cores of an AMD EPYC, ext4, medians of 3, whole commands). The anchor is a
// program that decodes the same files with encoding/json on both cores, without
// checksums, claims or states, and writes as many bytes, synced:
//
//	100,000 runs, 154 MB of tables     time      processor time   memory     of the anchor
//	orch collect, first time           0.42 s    0.67 s           250 MiB    0.50
//	the same with 20 metric rows a run 1.74 s    2.92 s           740 MiB
//	nothing new                        0.01 s
//	orch status, 20 sweeps             0.13 s    0.18 s            55 MiB    0.41
package collect
