//go:build race && unix

package command

func init() { raceDetector = true }
