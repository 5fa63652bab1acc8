package slurm

import (
	"context"
	"fmt"
	"os/user"
	"regexp"
	"strings"
	"time"
)

// Facts are what a person wants to know of a cluster before trusting it with a
// sweep. Asking costs the controller two calls and the accounting database one.
type Facts struct {
	Sbatch     string // absolute path
	Version    string // "22.05.8"
	Config     map[string]string
	Answer     time.Duration // of the controller, the first time
	Partitions []Partition
	Accounting bool
	Assocs     []Assoc // of this user
	AssocsErr  error   // why they are not known
}

// Assoc is what the accounting database allows a user: an account, perhaps for
// one partition only, and its limits as sacctmgr writes them.
type Assoc struct {
	Account, Partition, QOS string
	Limits                  []string // "MaxSubmitJobs=100"
}

var versionForm = regexp.MustCompile(`[0-9]+\.[0-9]+(?:\.[0-9]+)?[-0-9a-z.]*`)

// Facts asks. What it learnt before an error is in the answer.
func (s *Slurm) Facts(ctx context.Context) (f Facts, err error) {
	if f.Sbatch, err = s.path("sbatch"); err != nil {
		return f, err
	}
	if a := s.run(ctx, deadline, queryEnv(), "sbatch", "--version"); a.err == nil && a.code == 0 { // asks nobody
		f.Version = versionForm.FindString(a.stdout)
	}
	begin := time.Now()
	a := s.run(ctx, deadline, queryEnv(), "scontrol", append(s.opt.elsewhere(), "show", "config")...)
	f.Answer = time.Since(begin)
	if a.err != nil || a.code != 0 {
		return f, fmt.Errorf("scontrol: %w", a.failed("scontrol"))
	}
	f.Config = map[string]string{}
	for line := range strings.Lines(a.stdout) {
		if key, value, ok := strings.Cut(line, "="); ok {
			f.Config[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	if f.Partitions, err = s.Partitions(ctx); err != nil {
		return f, err
	}
	kind := f.Config["AccountingStorageType"]
	if f.Accounting = kind != "" && kind != "(null)" && !strings.HasSuffix(kind, "none"); f.Accounting {
		f.Assocs, f.AssocsErr = s.assocs(ctx)
	}
	return f, nil
}

// assocColumns are sacctmgr's; those from the fourth on are limits.
var assocColumns = []string{"Account", "Partition", "QOS", "MaxJobs", "MaxSubmitJobs", "MaxWall", "MaxTRES", "GrpJobs", "GrpSubmitJobs", "GrpTRES"}

func (s *Slurm) assocs(ctx context.Context) ([]Assoc, error) {
	u, err := user.Current()
	if err != nil {
		return nil, err
	}
	a := s.run(ctx, deadline, queryEnv(), "sacctmgr", "-n", "-P", "show", "assoc", "user="+u.Username, "format="+strings.Join(assocColumns, ","))
	if a.err != nil || a.code != 0 {
		return nil, fmt.Errorf("sacctmgr: %w", a.failed("sacctmgr"))
	}
	return parseAssocs(a.stdout), nil
}

func parseAssocs(text string) (list []Assoc) {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), "|")
		if len(f) < len(assocColumns) || f[0] == "" {
			continue
		}
		x := Assoc{Account: f[0], Partition: f[1], QOS: f[2]}
		for i := 3; i < len(assocColumns); i++ {
			if f[i] != "" {
				x.Limits = append(x.Limits, assocColumns[i]+"="+f[i])
			}
		}
		list = append(list, x)
	}
	return list
}
