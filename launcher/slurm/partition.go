package slurm

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"orch/launcher"
)

// Partition is what a partition of the cluster gives a job at most.
type Partition struct {
	Name    string        `json:"name"`
	Default bool          `json:"default,omitempty"`
	Down    bool          `json:"down,omitempty"` // takes no jobs, or starts none
	MaxTime time.Duration `json:"max_time"`       // of a job; 0: no limit
	Nodes   []NodeKind    `json:"nodes"`
}

// NodeKind are nodes that are alike. A zero of CPUs, MemMiB or GPUs (with
// GPUsKnown unset) is not known, and judged by nobody.
type NodeKind struct {
	Count     int            `json:"count"`
	CPUs      int            `json:"cpus"`
	MemMiB    int            `json:"mem_mib"`
	GPUs      map[string]int `json:"gpus,omitempty"` // by type; "" is without a type
	GPUsKnown bool           `json:"gpus_known"`
}

// unsetMem is the memory of a node whose configuration does not say it,
// slurm.conf(5), RealMemory: such a cluster hands out no memory, and refuses
// every job that asks for a useful amount.
const unsetMem = 1

// MemUnset says that the cluster does not know how much memory the nodes have.
func (n NodeKind) MemUnset() bool { return n.MemMiB == unsetMem }

// memUnset says so of all nodes that jobs with these options may get.
func (o Options) memUnset(ps []Partition) bool {
	some := false
	for _, name := range partitionsOf(ps, o.Partition) {
		for _, p := range ps {
			for _, n := range p.Nodes {
				if p.Name == name && !n.MemUnset() {
					return false
				}
				some = some || p.Name == name
			}
		}
	}
	return some
}

// partitionColumns are sinfo's. One row for each kind of node in a partition
// (-e). Node features are not among them: they are text of any form.
const partitionColumns = "%R|%P|%a|%l|%c|%m|%D|%G"

// Partitions asks the cluster what its partitions give, and remembers it for a
// day. It is one call, which the controller answers from memory.
func (s *Slurm) Partitions(ctx context.Context) ([]Partition, error) {
	a := s.run(ctx, deadline, queryEnv(), "sinfo", append(s.opt.elsewhere(), "-h", "-a", "-e", "-o", partitionColumns)...)
	if a.err != nil || a.code != 0 {
		return nil, fmt.Errorf("sinfo: %w", a.failed("sinfo"))
	}
	ps, bad := parsePartitions(a.stdout)
	if len(ps) == 0 && bad > 0 {
		return nil, fmt.Errorf("sinfo: no line can be read: %.200q", a.stdout)
	}
	rememberPartitions(s.opt.StateDir, s.opt.Cluster, ps)
	return ps, nil
}

type partitionsFile struct {
	Partitions []Partition `json:"partitions"`
	Conf       string      `json:"conf"` // confNow when it was asked
	Asked      time.Time   `json:"asked"`
}

// RememberedPartitions returns what this host was told of a cluster's partitions
// within the last day, with the same configuration: of its own cluster, if none is
// named. It asks nothing.
func RememberedPartitions(stateDir, cluster string) ([]Partition, bool) {
	var f partitionsFile
	b, err := os.ReadFile(stateFile(stateDir, "partitions", cluster))
	if err != nil || json.Unmarshal(b, &f) != nil {
		return nil, false
	}
	age := time.Since(f.Asked)
	return f.Partitions, f.Conf == confNow() && age >= 0 && age < fresh
}

// rememberPartitions is for speed: if it fails, the next one asks again. The
// folder is made, but not the results tree that it belongs to.
func rememberPartitions(stateDir, cluster string, ps []Partition) {
	name := stateFile(stateDir, "partitions", cluster)
	if name == "" {
		return
	}
	if _, err := os.Stat(filepath.Dir(filepath.Dir(stateDir))); err != nil {
		return
	}
	b, err := json.Marshal(partitionsFile{ps, confNow(), time.Now()})
	if err != nil || os.MkdirAll(stateDir, 0o700) != nil {
		return
	}
	tmp := name + "." + rand.Text()
	if os.WriteFile(tmp, b, 0o600) != nil || os.Rename(tmp, name) != nil {
		os.Remove(tmp)
	}
}

// parsePartitions reads sinfo's lines; those that make no sense are counted.
func parsePartitions(text string) (ps []Partition, bad int) {
	at := map[string]int{}
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimRight(line, "\r\n"), "|", 8)
		if len(f) < 8 {
			if strings.TrimSpace(line) != "" {
				bad++
			}
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		i, known := at[f[0]]
		if !known {
			i = len(ps)
			at[f[0]] = i
			p := Partition{Name: f[0], Default: strings.HasSuffix(f[1], "*"), Down: f[2] != "up"}
			if limit, err := launcher.ParseTime(f[3]); err == nil {
				p.MaxTime = limit // "infinite" and "n/a" are no limit
			}
			ps = append(ps, p)
		}
		n := NodeKind{Count: number(f[6]), CPUs: number(f[4]), MemMiB: number(f[5])}
		n.GPUs, n.GPUsKnown = parseGres(f[7]), true
		if n.Count > 0 {
			ps[i].Nodes = append(ps[i].Nodes, n)
		}
	}
	return ps, bad
}

// number reads the digits at the beginning: sinfo writes "64+" where nodes differ.
func number(s string) int {
	n, _ := strconv.Atoi(strings.TrimRight(s, "+"))
	return n
}

// gresForm is one kind of GPU among a node's generic resources (gres.conf(5)):
// "gpu:2", "gpu:a100:4(S:0-1)", the slices of a card "gpu:1g.5gb:7", and
// "gpu:(null):8(S:0)" of controllers that name the missing type.
var gresForm = regexp.MustCompile(`(?:^|,)gpu(?::(?:\(null\)|([^:,()]+)))?:([0-9]+)`)

func parseGres(s string) map[string]int {
	var gpus map[string]int
	for _, m := range gresForm.FindAllStringSubmatch(s, -1) {
		if gpus == nil {
			gpus = map[string]int{}
		}
		n, _ := strconv.Atoi(m[2])
		gpus[m[1]] += n
	}
	return gpus
}
