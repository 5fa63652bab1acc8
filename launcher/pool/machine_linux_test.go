package pool

import "testing"

// Inside a job that a user started by hand, what the job was given counts, not
// what the node has: not every cluster confines its jobs.
func TestInsideSlurmJob(t *testing.T) {
	t.Setenv("SLURM_JOB_ID", "")
	t.Setenv("SLURM_CPUS_ON_NODE", "")
	whole := cores()
	for _, x := range []struct {
		job, cpus string
		want      int
	}{
		{"7", "1", 1},
		{"7", "", whole},
		{"7", "99999", whole},
		{"7", "many", whole},
		{"7", "-1", whole},
		{"", "1", whole}, // left over from somewhere
	} {
		t.Setenv("SLURM_JOB_ID", x.job)
		t.Setenv("SLURM_CPUS_ON_NODE", x.cpus)
		if got := cores(); got != x.want {
			t.Errorf("job %q with %q CPUs: %d cores, want %d", x.job, x.cpus, got, x.want)
		}
	}
}
