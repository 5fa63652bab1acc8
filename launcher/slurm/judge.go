package slurm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"orch/launcher"
)

// Judge says why no partition that a request may use could ever run a worker
// of it, or a run in such a worker: one [*launcher.KeyError] with what to
// change. Slurm itself accepts a job that asks for more time than its partition
// allows, and lets it wait for ever. nil: it fits, or there is not enough known
// to say that it does not.
func Judge(ps []Partition, spec launcher.Spec) error {
	if spec.RunTime > 0 && spec.Time > 0 && spec.RunTime > spec.Time {
		return launcher.BadKey("run_time", "is %s, longer than a worker lives (launcher.time = %s), so no worker would ever begin a run: raise launcher.time, or leave run_time out if runs go on from a checkpoint",
			span(spec.RunTime), span(spec.Time))
	}
	var first error
	for _, name := range mayUse(ps, spec) {
		i := slices.IndexFunc(ps, func(p Partition) bool { return p.Name == name })
		if i < 0 {
			if first == nil && len(ps) > 0 && !partly(ps) {
				e := launcher.BadKey("partition", "is %q, which this cluster does not have: it has %s", name, strings.Join(names(ps), ", "))
				e.Nearest = launcher.Nearest(name, names(ps))
				first = e
			} else if partly(ps) {
				return nil
			}
			continue
		}
		err := ps[i].judge(ps, spec)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// partly: a cluster profile need not list every partition.
func partly(ps []Partition) bool {
	return slices.ContainsFunc(ps, func(p Partition) bool { return len(p.Nodes) == 0 || p.Nodes[0].Count == 0 })
}

// mayUse are the partitions that a request names, else the cluster's default.
func mayUse(ps []Partition, spec launcher.Spec) []string {
	named, _ := spec.Options["partition"].(string)
	return partitionsOf(ps, named)
}

// partitionsOf are those of a list "a,b", else the cluster's default.
func partitionsOf(ps []Partition, named string) []string {
	if named != "" {
		return strings.Split(named, ",")
	}
	var list []string
	for _, p := range ps {
		if p.Default {
			list = append(list, p.Name)
		}
	}
	return list
}

func names(ps []Partition) []string {
	list := make([]string, len(ps))
	for i, p := range ps {
		list[i] = p.Name
	}
	return list
}

func (p Partition) judge(all []Partition, spec launcher.Spec) error {
	if p.MaxTime > 0 && spec.Time > p.MaxTime && !mayOverrule(spec) {
		other := ""
		for _, q := range all {
			if q.Name != p.Name && !q.Down && q.wastes(spec) == p.wastes(spec) && (q.MaxTime == 0 || q.MaxTime >= spec.Time) && q.hardware(spec) == nil {
				other = fmt.Sprintf(", or choose launcher.partition = %q", q.Name)
				break
			}
		}
		return launcher.BadKey("time", "is %s, and partition %s ends jobs after %s, so the workers would wait for ever: lower it to launcher.time=%s (a run that is cut off goes on in the next worker)%s",
			span(spec.Time), p.Name, span(p.MaxTime), span(p.MaxTime), other)
	}
	return p.hardware(spec)
}

// mayOverrule: a QOS with the flag PartitionTimeLimit lets jobs take longer than
// their partition does (sacctmgr(1)), and a site may make a reservation do so.
// What flags there are, only the database knows, and there may be none.
func mayOverrule(spec launcher.Spec) bool {
	qos, _ := spec.Options["qos"].(string)
	reservation, _ := spec.Options["reservation"].(string)
	return qos != "" || reservation != ""
}

// Doubt says of a request that Judge lets pass what may still keep its workers
// from ever starting; "" if nothing is known to.
func Doubt(ps []Partition, spec launcher.Spec) string {
	if !mayOverrule(spec) {
		return ""
	}
	doubt := ""
	for _, name := range mayUse(ps, spec) {
		i := slices.IndexFunc(ps, func(p Partition) bool { return p.Name == name })
		if i < 0 || ps[i].MaxTime == 0 || spec.Time <= ps[i].MaxTime {
			return ""
		}
		doubt = fmt.Sprintf("launcher.time is %s, and partition %s ends jobs after %s: the workers start only if launcher.qos or launcher.reservation allows more",
			span(spec.Time), name, span(ps[i].MaxTime))
	}
	return doubt
}

// wastes: whoever needs no GPU should not be sent where they are.
func (p Partition) wastes(spec launcher.Spec) bool {
	return spec.GPUs == 0 && slices.ContainsFunc(p.Nodes, func(n NodeKind) bool { return n.gpus("") > 0 })
}

// hardware finds a kind of node that can hold a worker, or says what the
// largest lack.
func (p Partition) hardware(spec launcher.Spec) error {
	cpus := nodeCPUs(spec.CPUs, spec.Nodes, spec.Tasks)
	kind, _ := spec.Options["gpu_type"].(string)
	var most NodeKind
	for _, n := range p.Nodes {
		gpus := n.gpus(kind)
		if (n.CPUs == 0 || cpus <= n.CPUs) && (n.MemMiB <= unsetMem || spec.MemMiB <= n.MemMiB) && (!n.GPUsKnown || spec.GPUs <= gpus) {
			return nil
		}
		most = NodeKind{CPUs: max(most.CPUs, n.CPUs), MemMiB: max(most.MemMiB, n.MemMiB), GPUs: map[string]int{"": max(most.GPUs[""], gpus)}, GPUsKnown: n.GPUsKnown}
	}
	switch {
	case len(p.Nodes) == 0:
		return nil
	case most.GPUsKnown && spec.GPUs > most.GPUs[""]:
		what := "GPUs"
		if kind != "" {
			what = "GPUs of type " + kind
		}
		return launcher.BadKey("gpus", "is %d, and a node of partition %s has at most %d %s: lower it, or choose another launcher.partition; `sinfo -o '%%P %%G'` shows what there is", spec.GPUs, p.Name, most.GPUs[""], what)
	case most.MemMiB > unsetMem && spec.MemMiB > most.MemMiB:
		return launcher.BadKey("mem", "is %dM, and a node of partition %s has at most %dM: lower it to launcher.mem=%dM, or choose another launcher.partition", spec.MemMiB, p.Name, most.MemMiB, most.MemMiB)
	case most.CPUs > 0 && cpus > most.CPUs:
		return launcher.BadKey("cpus", "is %d, and a node of partition %s has at most %d: lower launcher.threads, parallel or cpus, or choose another launcher.partition", cpus, p.Name, most.CPUs)
	}
	return launcher.BadKey("mem", "together with the CPUs and GPUs of a worker fits no node of partition %s: `sinfo -e -o '%%P %%c %%m %%G'` shows its kinds of node", p.Name)
}

func (n NodeKind) gpus(kind string) int {
	if kind != "" {
		if k, ok := n.GPUs[kind]; ok || len(n.GPUs) != 1 {
			return k
		}
		return n.GPUs[""] // types are not configured
	}
	sum := 0
	for _, k := range n.GPUs {
		sum += k
	}
	return sum
}

// span writes a time as launcher.time takes it: "5m", "2d", "1d12h".
func span(d time.Duration) string {
	var out strings.Builder
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / u.size; n > 0 {
			out.WriteString(strconv.Itoa(int(n)) + u.name)
			d -= n * u.size
		}
	}
	if out.Len() == 0 {
		return d.String()
	}
	return out.String()
}
