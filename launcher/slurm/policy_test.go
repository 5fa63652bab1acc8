package slurm

import (
	"strings"
	"testing"
)

// Names as Slurm 22.05 has them (job_reason_string).
func TestPolicyLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		stuck bool
		words string
		again bool // a refusal for it may pass
	}{
		{"QOSMaxGRESPerUser", false, "you have as much as is allowed at once (GPUs)", false},
		{"QOSMaxMemoryPerUser", false, "(memory)", false},
		{"QOSMaxCpuPerUserLimit", false, "(CPUs)", false},
		{"QOSMaxJobsPerUserLimit", false, "(jobs)", false},
		{"QOSMaxNodePerUserLimit", false, "(nodes)", false},
		{"QOSGrpGRES", false, "the QOS has as much as is allowed at once (GPUs)", false},
		{"QOSGrpCpuLimit", false, "the QOS", false},
		{"AssocGrpMemLimit", false, "your account has as much as is allowed at once (memory)", false},
		{"AssocGrpBilling", false, "CPUs, memory and GPUs together", false},
		{"AssocMaxJobsLimit", false, "your account", false},
		{"MaxGRESPerAccount", false, "your account has as much as is allowed at once (GPUs)", false},
		{"MaxJobsPerAccount", false, "(jobs)", false},
		{"QOSMaxGRESPerJob", true, "lower launcher.gpus", false},
		{"QOSMaxMemoryPerNode", true, "lower launcher.mem", false},
		{"AssocMaxCpuPerJobLimit", true, "launcher.cpus", false},
		{"QOSMaxWallDurationPerJobLimit", true, "more time than a single job may have: lower launcher.time", false},
		{"QOSMaxCpuMinutesPerJobLimit", true, "lower launcher.time", false},
		{"AssocMaxGRESMinutesPerJob", true, "launcher.gpus", false},
		{"QOSMinGRES", true, "raise launcher.gpus", false},
		{"QOSMinCpuNotSatisfied", true, "more CPUs", false},
		{"QOSMinMemory", true, "raise launcher.mem", false},
		{"AssocGrpCPURunMinutesLimit", false, "smaller launcher.time", true},
		{"QOSGrpGRESRunMinutes", false, "smaller launcher.time", true},
		{"AssocGrpCPUMinutesLimit", true, "your account has used up its time", true},
		{"AssocGrpBillingMinutes", true, "your account has used up its time", true},
		{"QOSGrpMemoryMinutes", true, "the QOS has used up its time", true},
		{"QOSGrpWallLimit", true, "the QOS has used up its time", false},
		{"QOSMaxSubmitJobPerUserLimit", false, "in the queue", true},
		{"AssocGrpSubmitJobsLimit", false, "in the queue", true},
		{"MaxSubmitJobsPerAccount", false, "in the queue", true},
	} {
		words, stuck := explain(c.name)
		if stuck != c.stuck || !strings.Contains(words, c.words) || !strings.HasSuffix(words, "("+c.name+")") {
			t.Errorf("explain(%s) = %q, stuck %v; want %q, stuck %v", c.name, words, stuck, c.words, c.stuck)
		}
		if advice := forGood("sbatch: error: " + c.name + "\nsbatch: error: Batch job submission failed: " + policy); (advice == "") != c.again {
			t.Errorf("forGood(%s) = %q, want it for good: %v", c.name, advice, !c.again)
		}
	}
	for _, text := range []string{"", policy, "MaxArraySize", "Minutes", "QOS", "a job is over MaxJobCount"} {
		if p, ok := policyIn(text); ok {
			t.Errorf("policyIn(%q) = %+v", text, p)
		}
	}
}
