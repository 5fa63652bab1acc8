package slurm

import (
	"regexp"
	"strings"
)

// A policyLimit is a limit of a QOS, an association (a user's part of an account)
// or an account, taken apart. Slurm composes their names (job_reason_string):
// QOSMaxGRESPerUser, AssocGrpCPURunMinutesLimit, MaxMemoryPerAccount.
type policyLimit struct {
	of    string // QOS, Assoc; "": of the account
	kind  string // Grp, Max, Min
	what  string // Cpu, Mem, GRES, Node, Jobs, SubmitJobs, WallDuration, Billing, ...
	spent string // Minutes: used up in all; RunMinutes: by what runs now; ""
	per   string // Job, Node, User, Account; "" of a Grp: all together
}

var policyForm = regexp.MustCompile(`\b(QOS|Assoc|)(Grp|Max|Min)(\w+?)((?:Run)?Minutes)?(?:Per(Job|Node|User|Account))?(?:Limit|NotSatisfied)?\b`)

// policyIn finds the name of a limit in a text.
func policyIn(text string) (p policyLimit, ok bool) {
	m := policyForm.FindStringSubmatch(text)
	if m == nil || m[1] == "" && m[5] != "Account" {
		return p, false
	}
	return policyLimit{m[1], m[2], m[3], m[4], m[5]}, true
}

// things are what a limit counts, in words, and the keys of [launcher] that ask
// for it: first the start of Slurm's word for it.
var things = [][3]string{
	{"C", "CPUs", "launcher.threads, launcher.parallel or launcher.cpus"}, // Cpu, CPU
	{"Mem", "memory", "launcher.mem"},
	{"GRES", "GPUs", "launcher.gpus"},
	{"Node", "nodes", "launcher.nodes"},
	{"Jobs", "jobs", "launcher.max_workers"},
	{"SubmitJob", "jobs in the queue", "launcher.max_workers"},
	{"Wall", "time", "launcher.time"},
	{"License", "licences", "launcher.extra"},
	{"", "CPUs, memory and GPUs together", "launcher.cpus, launcher.mem or launcher.gpus"}, // Billing, and what is rare
}

func (p policyLimit) thing() (words, keys string) {
	for _, x := range things {
		if strings.HasPrefix(p.what, x[0]) {
			return x[1], x[2]
		}
	}
	return "", ""
}

// explain says in words what the limit means for a job that waits, and whether
// it will wait for ever.
func (p policyLimit) explain() (words string, stuck bool) {
	what, keys := p.thing()
	who := map[string]string{"QOS": "the QOS", "Assoc": "your account", "": "your account"}[p.of]
	if p.per == "User" {
		who = "you"
	}
	switch {
	case p.kind == "Min":
		return "the QOS wants jobs of more " + what + ": launcher.qos, or raise " + keys, true
	case p.per == "Job" && p.spent != "":
		return "asks for more " + what + " for so long than a single job may have: lower launcher.time, or " + keys, true
	case p.per == "Job" || p.per == "Node":
		return "asks for more " + what + " than a single job may have: lower " + keys, true
	case p.spent == "RunMinutes":
		return "waits: what runs now has all the time that " + who + " may have at once; with a smaller launcher.time it may start before", false
	case p.spent != "" || strings.HasPrefix(p.what, "Wall"):
		return who + " has used up its time", true
	case strings.HasPrefix(p.what, "Submit"):
		return "waits: as many jobs are in the queue as are allowed", false
	case p.per == "User":
		return "waits: you have as much as is allowed at once (" + what + ")", false
	}
	return "waits: " + who + " has as much as is allowed at once (" + what + ")", false
}

// forGood reads the name of the limit that a policy refusal is about. At
// submission Slurm compares the job alone with what a job, a user or an account
// may have (sacctmgr(1), DenyOnLimit), so that asking again changes nothing.
// Only the number of jobs (MaxSubmitJobs, which [notNow] has) and the minutes
// that are used up are other ones tomorrow: no advice then.
func forGood(stderr string) (advice string) {
	p, ok := policyIn(stderr)
	if !ok || p.spent != "" && p.per != "Job" || strings.HasPrefix(p.what, "Submit") {
		return ""
	}
	advice, stuck := p.explain()
	if what, keys := p.thing(); !stuck || p.kind == "Grp" {
		advice = "asks for more " + what + " than may be had at once: lower " + keys
	}
	if p.of == "QOS" {
		return advice + "; `sacctmgr show qos` lists the limits"
	}
	return advice + "; `sacctmgr show assoc user=$USER` lists the limits"
}
