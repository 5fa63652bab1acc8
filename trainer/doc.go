// Package trainer runs one attempt of a run at a time: the Trainer interface and the
// worker loop that claims runs from the results tree and journals how they end.
package trainer
