package pool

import (
	"context"
	"time"

	"orch/launcher"
)

// Backend is the pool as launcher configs name it: `backend = "pool"`.
//
//	n_jobs  = -1        # -1: all cores, -2: all but one, k: k workers
//	grace   = "5s"      # from SIGTERM to SIGKILL
//	devices = ["0","1"] # GPUs to use; unset: all
var Backend = launcher.Backend{
	Name:  "pool",
	Keys:  []string{"n_jobs", "grace", "devices"},
	Check: func(options map[string]any) []error { _, errs := parseOptions(options); return errs },
	Open: func(_ context.Context, s launcher.Setup) (launcher.Launcher, error) {
		o, errs := parseOptions(s.Spec.Options)
		if len(errs) > 0 {
			return nil, errs[0]
		}
		o.StateDir, o.Detach, o.GPUsShare = s.StateDir, s.Detach, s.Spec.GPUsShare
		return Open(o)
	},
}

func parseOptions(options map[string]any) (Options, []error) {
	var o Options
	var errs []error
	bad := func(key, format string, args ...any) { errs = append(errs, launcher.BadKey(key, format, args...)) }
	if v, given := options["n_jobs"]; given {
		n, ok := launcher.Int(v)
		switch {
		case !ok:
			bad("n_jobs", "is %v, want a whole number: -1 for all cores, -2 for all but one, or how many", v)
		case n == 0:
			bad("n_jobs", "is 0, which means nothing: use -1 for all cores, or how many workers you want")
		}
		o.NJobs = n
	}
	if v, given := options["grace"]; given {
		d, err := launcher.ParseTime(v)
		switch {
		case err != nil:
			bad("grace", "%v", err)
		case d == 0:
			d = time.Nanosecond // no grace, rather than the default
		}
		o.Grace = d
	}
	if v, given := options["devices"]; given {
		list, ok := v.([]any)
		o.Devices = []string{}
		for _, d := range list {
			name, isText := d.(string)
			ok = ok && isText && name != ""
			o.Devices = append(o.Devices, name)
		}
		if !ok {
			bad("devices", `is %v, want a list of GPU names as in CUDA_VISIBLE_DEVICES, like ["0", "1"]`, v)
		}
	}
	return o, errs
}
