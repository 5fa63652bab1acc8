package slurm

import (
	"slices"
	"strings"
)

// A why explains a reason that squeue gives for a pending job (squeue(1), JOB
// REASON CODES).
type why struct {
	reason string
	stuck  bool // the job will not start by itself
	words  string
}

// whys are in the order of their judgement: the first that fits counts.
var whys = []why{
	{"", false, "not looked at by the scheduler yet"},
	{"Resources", false, "waits for free nodes"},
	{"Priority", false, "waits: jobs of higher priority come first"},
	{"BeginTime", false, "waits for its start time"},
	{"Cleaning", false, "waits: its earlier try is being cleaned up"},
	{"Prolog", false, "its node is being prepared"},
	{"JobArrayTaskLimit", false, "waits: as many of its array run as launcher.throttle allows"},
	{"Licenses", false, "waits for a licence"},
	{"Reservation", false, "waits for its reservation to begin"},
	{"DependencyNeverSatisfied", true, "what it depends on failed: cancel it"},
	{"Dependency", false, "waits for another job"},
	{"PartitionDown", true, "its partition is down: cancel it and choose another launcher.partition, or wait for the administrators"},
	{"PartitionInactive", true, "its partition takes jobs but starts none: choose another launcher.partition"},
	{"PartitionTimeLimit", true, "asks for more time than its partition allows: lower launcher.time"},
	{"PartitionNodeLimit", true, "asks for more nodes than its partition allows: lower launcher.nodes"},
	{"PartitionConfig", true, "asks for more than its partition has: lower launcher.nodes, cpus or gpus"},
	{"Nodes required for job are DOWN", false, "waits: the nodes that it may use are down, drained or reserved for jobs of higher priority"},
	{"ReqNodeNotAvail, Reserved for maintenance", false, "waits: a maintenance begins before it would have ended, and it starts after that; with a smaller launcher.time it may start before: `scontrol show reservation` says when"},
	{"ReqNodeNotAvail, May be reserved for other job", false, "waits: the nodes that it may use are kept for a job of higher priority"},
	// Slurm says so too of jobs that start by themselves: of one drained node in the
	// partition, while the job waits for a reservation to end or a slow scheduler.
	{"ReqNodeNotAvail", false, "waits: nodes that it may use are down, drained or reserved; sinfo -R says which and why, launcher.nodelist, exclude and constraint choose others"},
	{"JobHeldUser", true, "held by you: scontrol release JOB"},
	{"JobHeldAdmin", true, "held by an administrator: ask them"},
	{"JobHoldMaxRequeue", true, "held: it was put back too often"},
	{"launch failed requeued held", true, "held: its node could not start it; scontrol release JOB"},
	{"BadConstraints", true, "no node can give what it asks for: lower launcher.cpus, mem, gpus or constraint"},
	{"NodeDown", true, "a node that it needs is down"},
	{"InvalidAccount", true, "its account is not valid: launcher.account"},
	{"AccountNotAllowed", true, "its account may not use this partition: launcher.account or partition"},
	{"Job's account not known", true, "its account may not use this partition: launcher.account or partition"}, // AccountNotAllowed, in the controller's words
	{"Job's account not permitted to use this partition", true, "its account may not use this partition: launcher.account or partition"},
	{"InvalidQOS", true, "its QOS is not valid: launcher.qos"},
	{"QOSNotAllowed", true, "its QOS may not use this partition: launcher.qos or partition"},
	{"Job's QOS not known", true, "its QOS may not use this partition: launcher.qos or partition"}, // QOSNotAllowed
	{"Job's QOS not permitted to use this partition", true, "its QOS may not use this partition: launcher.qos or partition"},
	{"ReservationDeleted", true, "its reservation is gone: launcher.reservation"},
	{"MaxMemPerLimit", true, "asks for more memory than is allowed: lower launcher.mem"},
	{"QOSUsageThreshold", true, "the QOS's usage is too high for it to start"},
	{"QOSJobLimit", false, "waits: the QOS runs as many jobs as it may"},
	{"QOSResourceLimit", false, "waits: the QOS has as much as is allowed at once"},
	{"QOSTimeLimit", true, "asks for more time than its QOS allows: lower launcher.time"},
	{"AssociationJobLimit", false, "waits: your account runs as many jobs as it may"},
	{"AssociationResourceLimit", false, "waits: your account has as much as is allowed at once"},
	{"AssociationTimeLimit", true, "asks for more time than your account allows: lower launcher.time"},
	{"AccountingPolicy", false, "waits: you, your account or the QOS have as much as is allowed"},
	{"DeadLine", true, "cannot end before its deadline any more"},
	{"SystemFailure", true, "the controller or the database failed"},
}

// explain says in words why a job waits, with the scheduler's own word, and
// whether it will wait for ever.
func explain(reason string) (words string, stuck bool) {
	// "ReqNodeNotAvail, UnavailableNodes:n2" and "(Resources)" are forms of the
	// plain word; squeue writes some reasons with "_" for blanks.
	whole := strings.ReplaceAll(strings.Trim(reason, "() "), "_", " ")
	plain := whole
	if i := strings.IndexAny(plain, ",("); i >= 0 {
		plain = strings.TrimSpace(plain[:i])
	}
	i := slices.IndexFunc(whys, func(x why) bool { return plain == x.reason || whole == x.reason })
	p, limit := policyIn(plain)
	switch {
	case i < 0 && limit:
		words, stuck = p.explain()
		return words + " (" + reason + ")", stuck
	case i < 0:
		return reason, false
	case reason == "":
		return whys[i].words, whys[i].stuck
	}
	return whys[i].words + " (" + reason + ")", whys[i].stuck
}
