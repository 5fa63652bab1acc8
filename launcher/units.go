package launcher

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	memForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([KMGT])(?:B|iB?)?$`)
	// dayForm is what Go's durations lack: "1d", "1d12h".
	dayForm = regexp.MustCompile(`^([0-9]+)d(.*)$`)
	// slurmForm are sbatch's --time forms that cannot be mistaken:
	// minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]].
	// Its bare "90" (minutes) is not among them: here a number is seconds.
	slurmForm = regexp.MustCompile(`^(?:([0-9]+)-)?([0-9]+)(?::([0-9]+))?(?::([0-9]+))?$`)
)

// ParseMem reads an amount of memory in MiB, rounded up: "2G", "512M", "1.5G",
// or a number of MiB. K, M, G and T are powers of 1024, as in Slurm, with or
// without "B", "i" or "iB". 0 is "not limited".
func ParseMem(v any) (int, error) {
	const want = `want a size like "2G" or "512M", or a number of MiB`
	var mib float64
	switch x := v.(type) {
	case string:
		m := memForm.FindStringSubmatch(strings.TrimSpace(strings.ReplaceAll(strings.ToUpper(x), "I", "i")))
		if m == nil {
			return 0, fmt.Errorf("is %q, %s", x, want)
		}
		mib, _ = strconv.ParseFloat(m[1], 64)
		mib *= map[string]float64{"K": 1. / 1024, "M": 1, "G": 1024, "T": 1 << 20}[m[2]]
	default:
		n, ok := Int(v)
		if !ok || n < 0 {
			return 0, fmt.Errorf("is %v, %s", v, want)
		}
		mib = float64(n)
	}
	if mib > 1<<40 {
		return 0, fmt.Errorf("is %v, more than any machine has: %s", v, want)
	}
	return int(math.Ceil(mib)), nil
}

// ParseTime reads a length of time: "2h", "1h30m", "1d12h", Slurm's "90:00",
// "12:00:00" and "1-12:00:00", or a number of seconds. 0 is "not limited".
func ParseTime(v any) (time.Duration, error) {
	const want = `want a time like "2h", "90m" or "1-12:00:00", or a number of seconds`
	bad := func() (time.Duration, error) { return 0, fmt.Errorf("is %s, %s", show(v), want) }
	const longest = float64(math.MaxInt64) / 2
	switch x := v.(type) {
	case int, int64, float64:
		var sec float64
		switch n := x.(type) {
		case int:
			sec = float64(n)
		case int64:
			sec = float64(n)
		case float64:
			sec = n
		}
		if !(sec >= 0 && sec*float64(time.Second) < longest) { // also NaN
			return bad()
		}
		return time.Duration(sec * float64(time.Second)), nil
	case string:
		x = strings.TrimSpace(x)
		if _, err := strconv.ParseFloat(x, 64); err == nil {
			return 0, fmt.Errorf("is %q, which could be minutes (Slurm) or seconds: write %q or %q", x, x+"m", x+"s")
		}
		if m := slurmForm.FindStringSubmatch(x); m != nil {
			d, ok := slurmTime(m[1], m[2], m[3], m[4])
			if !ok {
				return bad()
			}
			return d, nil
		}
		var days time.Duration
		rest := x
		if m := dayForm.FindStringSubmatch(x); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil || n > 100_000 {
				return bad()
			}
			days, rest = time.Duration(n)*24*time.Hour, m[2]
			if rest == "" {
				return days, nil
			}
		}
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || days+d < 0 {
			return bad()
		}
		return days + d, nil
	}
	return bad()
}

// slurmTime adds up a match of slurmForm. With days the parts count from the
// hours down, with three parts too, with two they are minutes and seconds.
func slurmTime(days, a, b, c string) (time.Duration, bool) {
	parts := []string{a}
	for _, p := range []string{b, c} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	units := []time.Duration{time.Hour, time.Minute, time.Second}
	if days == "" {
		units = units[3-len(parts):]
	}
	parts, units = append([]string{days}, parts...), append([]time.Duration{24 * time.Hour}, units...)
	var d time.Duration
	for i, p := range parts {
		if p == "" {
			continue
		}
		n, err := strconv.Atoi(p)
		if err != nil || n > 10_000_000 {
			return 0, false
		}
		d += time.Duration(n) * units[i]
	}
	return d, true
}
