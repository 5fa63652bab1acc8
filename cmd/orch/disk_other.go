//go:build !linux

package main

// syncFolder: folders are not synced here; README says so.
func syncFolder(string) error { return nil }

// disk is what a folder lies on.
type disk struct {
	kind, options    string
	free, freeInodes int64 // negative: not known
}

func diskOf(string) disk { return disk{free: -1, freeInodes: -1} }
