// Package collect folds a results tree into tables: a pure function of the tree's bytes.
package collect
