package slurm

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"orch/launcher"
)

// limits are what `scontrol show config` says that matters to us.
type limits struct {
	MaxArray int  `json:"max_array"` // the largest array index is one less; 0: unknown
	NoArrays bool `json:"no_arrays"` // the cluster does not take arrays: one job for each worker
	// Tracks says that no process of a job can outlive it: the cluster keeps
	// each job in a control group. Other ways lose processes that leave their
	// session (proctrack/pgid) or whose parent died first (proctrack/linuxproc).
	Tracks bool `json:"tracks"`

	NoAcct bool `json:"no_acct"` // no accounting database: sacct has nothing to say

	Conf  string    `json:"conf"`  // confNow when it was asked
	Asked time.Time `json:"asked"` // zero: never
}

// defaultMaxArray is Slurm's own default of MaxArraySize (slurm.conf(5)).
const defaultMaxArray = 1001

// fresh is how long an answer is believed: a cron job every minute must not
// ask for the configuration every time.
const fresh = 24 * time.Hour

// confNow tells one configuration of Slurm from another: what was said under
// another one is not believed. A cluster that gives its hosts no file
// (slurm.conf(5), configless) may change unseen.
func confNow() string {
	file := os.Getenv("SLURM_CONF")
	info, err := os.Stat(cmp.Or(file, "/etc/slurm/slurm.conf"))
	if err != nil {
		return file + os.Getenv("SLURM_CONF_SERVER")
	}
	return fmt.Sprintf("%s %d %d", file, info.Size(), info.ModTime().UnixNano())
}

// ask learns the cluster's limits: once in the life of a launcher, and once a
// day for all on this host that share a state folder. A controller that does
// not answer is asked again next time.
func (s *Slurm) ask(ctx context.Context) limits {
	s.mu.Lock()
	l := s.limits
	s.mu.Unlock()
	if !l.Asked.IsZero() {
		return l
	}
	l, ok := s.remembered()
	if !ok {
		a := s.run(ctx, deadline, queryEnv(), "scontrol", append(s.opt.elsewhere(), "show", "config")...)
		if a.err != nil || a.code != 0 {
			return limits{}
		}
		l = parseConfig(a.stdout)
		l.Conf, l.Asked = confNow(), time.Now()
		s.remember(l)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = l
	return l
}

// stateFile is where something about a cluster is remembered: a results tree may
// be seen by several clusters, whose login nodes have different names. Without a
// folder there is none.
func stateFile(stateDir, what, cluster string) string {
	host, err := os.Hostname()
	if stateDir == "" || err != nil {
		return ""
	}
	if cluster != "" {
		host += "-" + cluster
	}
	return filepath.Join(stateDir, what+"-"+host+".json")
}

func (s *Slurm) file() string { return stateFile(s.opt.StateDir, "limits", s.opt.Cluster) }

func (s *Slurm) remembered() (l limits, ok bool) {
	b, err := os.ReadFile(s.file())
	if err != nil || json.Unmarshal(b, &l) != nil {
		return limits{}, false
	}
	age := time.Since(l.Asked)
	return l, l.Conf == confNow() && age >= 0 && age < fresh
}

// remember is for speed: if it fails, the next one asks again.
func (s *Slurm) remember(l limits) {
	name := s.file()
	b, err := json.Marshal(l)
	if name == "" || err != nil || os.MkdirAll(s.opt.StateDir, 0o700) != nil {
		return
	}
	tmp := name + "." + rand.Text()
	if os.WriteFile(tmp, b, 0o600) != nil || os.Rename(tmp, name) != nil {
		os.Remove(tmp)
	}
}

// forget makes the next one ask for the limits again.
func (s *Slurm) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = limits{}
	os.Remove(s.file())
}

// parseConfig reads the lines "Key = value" of scontrol.
func parseConfig(text string) (l limits) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "MaxArraySize":
			if n, err := strconv.Atoi(value); err == nil && n > 0 {
				l.MaxArray = n
			} else if err == nil && n == 0 { // switched off, says slurm.conf(5)
				l.MaxArray, l.NoArrays = 1, true
			}
		case "AccountingStorageType":
			l.NoAcct = strings.HasSuffix(value, "none")
		case "ProctrackType":
			l.Tracks = strings.Contains(value, "cgroup") || strings.Contains(value, "cray")
		}
	}
	return l
}

// Fit implements [launcher.Sizer]: how many workers one sweep may have at once,
// which is what the user allows. Whether they run at once is the scheduler's
// affair; those that wait start when there is room, as long as there is work.
func (s *Slurm) Fit(launcher.Resources) (int, bool) {
	return cmp.Or(s.opt.MaxWorkers, DefaultMaxWorkers), true
}

// Machine implements [launcher.Bounder]: what Slurm's commands go by.
func (s *Slurm) Machine() string {
	return strings.Join([]string{"slurm", os.Getenv("SLURM_CONF") + os.Getenv("SLURM_CONF_SERVER"), s.opt.Bin, s.opt.Cluster}, "\x00")
}

// Bounds implements [launcher.Bounder]. It asks for the cluster's limit if it is
// not known yet, as where another process's answer about the queue served and
// Jobs was not called: Submit would refuse what is over it.
func (s *Slurm) Bounds() (job, user int) {
	l := s.ask(context.Background())
	return cmp.Or(l.MaxArray, defaultMaxArray), cmp.Or(s.opt.MaxUser, DefaultMaxUser)
}
