//go:build !unix

package main

import "os"

// warnings: no scheduler sends any here.
var warnings []os.Signal
