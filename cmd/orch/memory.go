package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A command that reads a tree lives for less than a second and fills its memory
// steadily: collecting garbage from 4 MiB on, at every doubling, took a quarter
// of the processor time of orch status over 100,000 runs and freed next to
// nothing. So the heap may grow fivefold between collections while little is
// alive (16 MiB come for free), and doubles from then on as Go has it, so that
// big trees do not take five times the memory.
const (
	generous   = 400      // GOGC while less than littleHeap is alive
	littleHeap = 32 << 20 // bytes
	usual      = 100      // Go's own default
)

// beGenerous sets that, unless the user has set GOGC or GOMEMLIMIT. It is not for
// a worker: its memory is meant for what it trains.
func beGenerous() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(generous)
	watchHeap()
}

// watchHeap looks after the next collection how much is alive.
func watchHeap() {
	// Memory that nothing refers to any more, so its cleanup runs after the next
	// collection; more than the 16 bytes that small allocations may share.
	garbage := new([64]byte)
	runtime.AddCleanup(garbage, func(struct{}) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		if live[0].Value.Kind() != metrics.KindUint64 || live[0].Value.Uint64() > littleHeap {
			debug.SetGCPercent(usual)
			return
		}
		watchHeap()
	}, struct{}{})
}
