package slurm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"orch/launcher"
)

// A saying is what sbatch says when it submits nothing, and what to do.
type saying struct {
	text   string // part of standard error
	advice string
}

// notNow are limits: the same job may be accepted later. They come before
// no, because sbatch says "Job violates accounting/QOS policy" for both.
var notNow = []saying{
	{"MaxSubmitJob", ""}, // QOSMaxSubmitJobPerUserLimit, AssocMaxSubmitJobLimit, AssocGrpSubmitJobsLimit
	{"GrpSubmitJob", ""},
	{"Resource temporarily unavailable", ""}, // MaxJobCount, after 120 s
	{"Slurm temporarily unable to accept job", ""},
	{"job queue full", ""},              // the controller could make no record of it; sbatch asks again for a while
	{"Unable to create job record", ""}, // the same, in the end
	{"Required partition not available (inactive or drain)", ""},
	{"Slurm controller is in the process of shutting down", ""},
	{"in standby mode", ""},
	{"I/O error writing script/environment to file", ""}, // the controller's disk is full
}

const tooMuchMem = "Memory specification can not be satisfied"

// no are refusals. The texts are those of Slurm 20.11 to 25.05.
var no = []saying{
	// In the words of sites, which make no job of it (job_submit plug-ins).
	{"mem-per-cpu", `set launcher.mem_as = "cpu" if memory is to be asked for by CPU, "none" if not at all`},
	{"memory parameters", `set launcher.mem_as = "none": the cluster decides itself how much memory a job has`},
	{"invalid partition specified", "set launcher.partition to one that `sinfo -s` lists"},
	{"Invalid partition name specified", "set launcher.partition to one that `sinfo -s` lists"},
	{"No partition specified or system default partition", "this cluster has no default partition: set launcher.partition to one that `sinfo -s` lists"},
	{"not permitted to use this partition", "choose another launcher.partition; `scontrol show partition` lists who may use which"},
	{"Invalid job array specification", "lower launcher.workers, or MaxArraySize is smaller than it seems: `scontrol show config | grep MaxArraySize`"},
	{tooMuchMem, "no node has so much memory: lower launcher.mem; `sinfo -o '%P %m'` shows what there is"},
	{"Requested node configuration is not available", "no node has what a worker asks for: lower launcher.cpus, mem, gpus or nodes; `sinfo -o '%P %c %m %G'` shows what there is"},
	{"Invalid generic resource (gres) specification", "no such GPU or gres: `sinfo -o '%P %G'` shows what there is, launcher.gpu_type and launcher.gres choose"},
	{"Invalid account or account/partition combination specified", "set launcher.account to one of yours: `sacctmgr show assoc user=$USER format=account,partition`"},
	{"Invalid qos specification", "set launcher.qos to one of yours: `sacctmgr show assoc user=$USER format=account,qos`"},
	{"Requested time limit is invalid", "the partition allows less: lower launcher.time, or choose another launcher.partition; `sinfo -o '%P %l'` shows the limits"},
	{"Invalid feature specification", "no node has this launcher.constraint: `sinfo -o '%P %f'` shows what there is"},
	{"Invalid node name specified", "launcher.nodelist or launcher.exclude names a node that is not there: `sinfo -N`"},
	{"Requested reservation is invalid", "`scontrol show reservation` lists those that there are"},
	{"Requested reservation not usable", "the reservation is not yours or not now: `scontrol show reservation`"},
	{"Memory required by task is not available", "the partition allows a job less memory (MaxMemPerNode, MaxMemPerCPU): lower launcher.mem; `scontrol show partition` shows the limits"},
	{"Requested partition configuration not available now", "the partition gives less time or fewer nodes than a worker asks for, or has none that work: lower launcher.time or nodes, or choose another launcher.partition; `sinfo` shows what there is"},
	{"More processors requested than permitted", "no node has so many CPUs: lower launcher.threads, parallel or cpus; `sinfo -o '%P %c'` shows what there is"},
	{"Node count specification invalid", "lower launcher.nodes; `scontrol show partition` shows how many a job may have"},
	{"Invalid wckey specification", "this cluster wants one of yours: launcher.extra = [\"--wckey=NAME\"]"},
	{"Invalid --nice value", "take it out of launcher.extra"},
	{"Unable to open file", "the job's folder must be readable where sbatch runs"},
	{"This does not look like a batch script", ""},
	{"Batch script is empty!", ""},
	{"Batch script contains DOS line breaks", ""},
	{"Pathname of a file, directory or other parameter too long", "use a shorter results folder"},
	{"Invalid --time specification", "launcher.time is not one that Slurm takes"},
	{"unrecognized option", "take it out of launcher.extra: this Slurm has no such option"},
	{"option requires an argument", "complete it in launcher.extra: --name=value"},
	{"Invalid numeric value", "correct it in launcher.extra"},
	{"--uid only permitted by root user", "take it out of launcher.extra"},
}

// notHere are what every command says where Slurm is not set up.
var notHere = []saying{
	{"Protocol authentication error", "munge on this machine does not agree with the controller's: ask the administrators"},
	{"Unable to process configuration file", "SLURM_CONF does not name the cluster's slurm.conf"},
	{"Could not establish a configuration source", "this machine belongs to no cluster: set SLURM_CONF, or submit from a login node"},
}

// policy marks the refusals of a QOS or an association. Without the limit's name
// they are taken for one that passes, since most of them do.
const policy = "Job violates accounting/QOS policy"

// lostWord are the words of a client that does not know what came of its
// question. The controller may have accepted the job before it went silent: 20
// of 20 such submissions did exist when it was only paused.
var lostWord = []string{
	"Socket timed out", "Unable to contact slurm controller", "connect failure", "Connection refused", "Connection reset",
	"Connection timed out", "Zero Bytes were transmitted", "Transport endpoint", "Communication connection failure",
	"Message receive failure", "Message send failure", "Unexpected message received", "Broken pipe", "No route to host", "Network is unreachable",
}

// idLine is what --parsable prints: the number, and the cluster's name where
// there are several.
var idLine = regexp.MustCompile(`^([0-9]{1,10})(?:;[A-Za-z0-9._-]+)?$`)

// jobID finds the number in sbatch's output. Site wrappers print lines of their
// own before and after; the last line that is a number counts.
func jobID(stdout string) (string, bool) {
	lines := strings.Split(stdout, "\n")
	for _, line := range slices.Backward(lines) {
		if m := idLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil && strings.Trim(m[1], "0") != "" {
			return m[1], true
		}
	}
	return "", false
}

// judgeSbatch tells accepted, refused, not now and unknown apart. Only the
// controller's or sbatch's own no is a no.
func judgeSbatch(a answer) (string, error) {
	if a.err != nil {
		return "", a.failed("sbatch")
	}
	if a.code == 0 {
		if id, ok := jobID(a.stdout); ok {
			return id, nil
		}
		return "", fmt.Errorf("sbatch: accepted the job but printed no number: %.200q", a.stdout)
	}
	has := func(text string) bool { return strings.Contains(a.stderr, text) }
	switch i := slices.IndexFunc(notNow, func(x saying) bool { return has(x.text) }); {
	case slices.ContainsFunc(lostWord, has) || strings.TrimSpace(a.stderr) == "":
		return "", a.failed("sbatch")
	case i >= 0:
		return "", &launcher.Limited{Reason: words(a.stderr)}
	}
	for _, x := range slices.Concat(no, notHere) {
		if has(x.text) {
			return "", &launcher.Refused{Reason: words(a.stderr), Advice: x.advice}
		}
	}
	if has(policy) {
		if advice := forGood(a.stderr); advice != "" {
			return "", &launcher.Refused{Reason: words(a.stderr), Advice: advice}
		}
		return "", &launcher.Limited{Reason: words(a.stderr)}
	}
	return "", &launcher.Refused{Reason: words(a.stderr)}
}

// words are what sbatch says, in one line without its prefixes.
func words(stderr string) string {
	var parts []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		for _, p := range []string{"sbatch: ", "error: ", "fatal: ", "Batch job submission failed: "} {
			line = strings.TrimPrefix(line, p)
		}
		line = strings.TrimSuffix(line, ", "+fullQueue) // which it does no more
		if line != "" && !slices.Contains(parts, line) && !strings.HasPrefix(line, "Try \"sbatch") {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}
