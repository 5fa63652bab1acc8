package results

import "fmt"

// Class says why an attempt of a run ended: one closed set for every trainer,
// launcher and report.
type Class uint8

// The classes. Only Done has a result. The zero Class is no end at all.
const (
	NoEnd       Class = iota
	Done              // exit 0 and every owed result is there
	Failed            // the program's own error: exit code or signal
	OutOfMemory       // the kernel or the scheduler killed it for memory, or it said so
	OutOfTime         // the allocation's time ended before the run
	Preempted         // asked to leave (signal, walltime near); may have a checkpoint
	NodeLost          // the scheduler says the node died
	BadSetup          // it could not start: missing program, unwritable folder, wrong working directory
	NoResult          // exit 0, but a declared metric or output is missing
	Timeout           // the run's own `timeout` passed
	Stall             // no output for the run's own `stall`
	Cancelled         // the user asked for it
	Diverged          // a loss became NaN or infinite, and the sweep counts that as an end
	Lost              // the worker vanished and nobody knows why
	numClasses
)

var classNames = [numClasses]string{"none", "done", "failed", "out of memory", "out of time", "preempted", "node lost",
	"bad setup", "no result", "timeout", "stall", "cancelled", "diverged", "lost"}

// String returns the class as people read it.
func (c Class) String() string {
	if c < numClasses {
		return classNames[c]
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// ParseClass is the inverse of [Class.String].
func ParseClass(s string) (Class, bool) {
	for i, n := range classNames {
		if n == s {
			return Class(i), true
		}
	}
	return NoEnd, false
}

// Final reports whether an attempt that ended so is the run's answer until
// someone asks for another attempt. The others leave the run to do: preempted
// and lost runs go on by themselves.
func (c Class) Final() bool {
	switch c {
	case NoEnd, Preempted, NodeLost, Lost, OutOfTime:
		return false
	}
	return true
}

// MarshalText implements encoding.TextMarshaler.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Class) UnmarshalText(b []byte) error {
	x, ok := ParseClass(string(b))
	if !ok {
		return fmt.Errorf("unknown class %q", b)
	}
	*c = x
	return nil
}
