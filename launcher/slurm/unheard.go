package slurm

import (
	"fmt"
	"os"
)

// shellSays are the variables by which sbatch itself would take from the shell
// what a sweep says with keys of [launcher] (sbatch(1), INPUT ENVIRONMENT
// VARIABLES).
var shellSays = []struct{ name, key string }{
	{"SBATCH_ACCOUNT", "account"},
	{"SBATCH_PARTITION", "partition"},
	{"SBATCH_QOS", "qos"},
	{"SBATCH_RESERVATION", "reservation"},
	{"SBATCH_CONSTRAINT", "constraint"},
	{"SBATCH_CLUSTERS", "cluster"},
	{"SLURM_CLUSTERS", "cluster"},
}

// Unheard says, a line each, what is in this shell for sbatch and missing among a
// launcher's own keys. Workers that cron starts, and other people, do not have
// the shell, so orch goes by the keys alone.
func Unheard(options map[string]any) (lines []string) {
	for _, x := range shellSays {
		value := os.Getenv(x.name)
		if given, _ := options[x.key].(string); value == "" || given != "" {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s=%s in your shell is not used: say launcher.%s=%s", x.name, value, x.key, quote(value)))
	}
	return lines
}
