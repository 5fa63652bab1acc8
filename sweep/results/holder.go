package results

import "os"

// Holder identifies a process for ever: two processes never have the same
// host, boot, pid and start time.
type Holder struct {
	Format   int     `json:"v"`
	Name     string  `json:"name"`              // of the worker: its journals' base name
	Host     string  `json:"host"`              //
	Machine  string  `json:"machine,omitempty"` // /etc/machine-id
	Boot     string  `json:"boot"`              // the kernel's boot ID; empty where there is none
	Space    string  `json:"space,omitempty"`   // the pid namespace
	PID      int     `json:"pid"`               //
	Start    string  `json:"start,omitempty"`   // start time of the process in the kernel's own unit
	Key      string  `json:"key,omitempty"`     // of the submission that started it
	Job      string  `json:"job,omitempty"`     // the scheduler's ID, if there is one
	Index    int     `json:"index"`             // number within the job
	Node     string  `json:"node,omitempty"`    // what the scheduler calls the host
	DirCache float64 `json:"dircache"`          // D: seconds that its view of a folder may be old
	Orch     string  `json:"orch,omitempty"`    // version and binary
	CPU      string  `json:"cpu,omitempty"`     // numeric backend, for reproducibility

	// Arithmetic names the numeric backends that give the same bits as this one.
	Arithmetic string `json:"arithmetic,omitempty"`
}

// Self returns the identity of this process.
func Self() Holder { return OfProcess(os.Getpid()) }

// OfProcess returns the identity of a process of this host.
func OfProcess(pid int) Holder {
	host, _ := os.Hostname()
	return Holder{Format: Format, Host: host, Machine: machineID(), Boot: bootID(), Space: pidNamespace(), PID: pid, Start: startTime(pid)}
}

// Fate is what can be told about a holder from this host, without asking a
// scheduler and without waiting.
type Fate uint8

// The fates.
const (
	FateUnknown  Fate = iota // another host, or a system that cannot tell
	FateAlive                // the process is there
	FateRebooted             // this machine has been restarted since: suspected dead, so a takeover still waits its grace
	FateDead                 // proven: same host, same boot, and the process is gone
)

// Fate tells what became of the holder. Host names may be shared and machine
// IDs cloned with their images, so only the boot ID, which the kernel draws at
// random, supports a proof.
func (h Holder) Fate() Fate {
	host, _ := os.Hostname()
	boot := bootID()
	switch {
	case host != h.Host || boot == "" || h.Boot == "":
		return FateUnknown
	case boot != h.Boot:
		if id := machineID(); id != "" && id == h.Machine {
			return FateRebooted
		}
		return FateUnknown
	case h.Space != pidNamespace():
		return FateUnknown
	}
	if start := startTime(h.PID); start == "" || start != h.Start {
		return FateDead
	}
	return FateAlive
}
