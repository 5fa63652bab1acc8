package slurm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"orch/launcher"
)

// Options are what a cluster profile or a sweep says about Slurm. The zero
// value asks for nothing special.
type Options struct {
	Cluster     string // one of several that this machine can submit to; "": the machine's own
	Partition   string
	Account     string
	QOS         string
	Reservation string
	Constraint  string
	Exclude     string // nodes not to use, Slurm's form: "n[1-3],n7"
	NodeList    string // nodes to use
	Gres        string // beside the GPUs
	GPUType     string // as in --gres=gpu:TYPE:N
	MemAs       string // how memory is asked for: "node" or "", "cpu", "none"
	Comment     string // which every user of the cluster can read

	Setup []string // lines of shell before the worker: modules, conda, venv
	Wrap  []string // a command that the worker is an argument of: apptainer exec image.sif
	Env   []string // variables to pass on beside the usual ones: NAME or PREFIX_*
	Extra []string // further options of sbatch: --mail-type=END

	MaxWorkers int           // of one sweep, at most so many at once; 0: DefaultMaxWorkers
	MaxUser    int           // of all sweeps of the user together; 0: DefaultMaxUser
	Throttle   int           // at most so many of one array run at once; 0: all
	Warn       time.Duration // how long before its time is up a worker is told; 0: DefaultWarn
	Bin        string        // folder of Slurm's commands; "": on PATH
	StateDir   string        // where the cluster's limits are remembered for a day; "": nowhere
}

// Values of Options.MemAs: the memory of a node, of each CPU, and none, as some
// clusters derive it from CPUs or GPUs and take no job that asks for it.
const (
	memNode = "node"
	memCPU  = "cpu"
	memNone = "none"
)

// Defaults of Options.
const (
	DefaultMaxWorkers = 64
	DefaultMaxUser    = 256
	// DefaultWarn: the signal may come up to a minute early, and a checkpoint
	// needs its time.
	DefaultWarn = 2 * time.Minute
)

// Slurm starts workers as array jobs. It keeps nothing that matters: any
// number of them, on any login node, see the same jobs.
type Slurm struct {
	opt   Options
	calls atomic.Int64

	mu     sync.Mutex
	paths  map[string]string // of commands, by name
	limits limits
	acct   accounting
}

var (
	_ launcher.Launcher   = (*Slurm)(nil)
	_ launcher.Sizer      = (*Slurm)(nil)
	_ launcher.Historian  = (*Slurm)(nil)
	_ launcher.Previewer  = (*Slurm)(nil)
	_ launcher.Bounder    = (*Slurm)(nil)
	_ launcher.Withdrawer = (*Slurm)(nil)
	_ launcher.Counter    = (*Slurm)(nil)
	_ launcher.Inheritor  = (*Slurm)(nil)
)

// Open returns a launcher for the cluster that Slurm's commands on this machine
// talk to. It asks the cluster nothing.
func Open(o Options) (*Slurm, error) {
	s := &Slurm{opt: o, paths: map[string]string{}}
	if _, err := s.path("sbatch"); err != nil {
		return nil, err
	}
	return s, nil
}

// Calls implements [launcher.Counter]: how many of Slurm's commands this
// launcher has run.
func (s *Slurm) Calls() int { return int(s.calls.Load()) }

// Submit implements [launcher.Launcher].
//
// Memory is always asked for, as a job without it takes a whole node; but not on
// nodes whose memory the cluster does not know, where no amount is right.
func (s *Slurm) Submit(ctx context.Context, req launcher.Request) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if refused := s.check(req); refused != nil {
		return "", refused
	}
	if err := checkFolders(req); err != nil {
		return "", err
	}
	limits := s.ask(ctx)
	if m := cmp.Or(limits.MaxArray, defaultMaxArray); req.Workers > m {
		return "", &launcher.Refused{Reason: fmt.Sprintf("%d workers in one array, and this cluster's MaxArraySize allows %d", req.Workers, m),
			Advice: fmt.Sprintf("ask for at most %d at a time: launcher.workers = %d", m, m)}
	}
	o, _ := s.options(req)
	for name, content := range o.files(req) {
		if err := os.WriteFile(req.LogDir+"/"+name, []byte(content), 0o600); err != nil {
			return "", folderTrouble(err, err.Error(), "the job's folder must be writable")
		}
	}
	req.Resources.MemMiB = s.askedMem(o, req)
	sbatch := func() answer {
		return s.run(ctx, sbatchDeadline, o.environment(req), "sbatch", o.sbatchArgs(req, !limits.NoArrays)...)
	}
	a := sbatch()
	if a.err == nil && a.code != 0 && strings.Contains(a.stderr, tooMuchMem) && req.Resources.MemMiB > 0 {
		if ps, err := s.Partitions(ctx); err == nil && o.memUnset(ps) {
			req.Resources.MemMiB = 0
			a = sbatch()
		}
	}
	id, err := judgeSbatch(a)
	var limited *launcher.Limited
	if errors.As(err, &limited) { // it is asked again and again, with files of another name
		for name := range o.files(req) {
			os.Remove(req.LogDir + "/" + name)
		}
	}
	if launcher.IsRefused(err) { // perhaps the cluster's limits are others now
		s.forget()
	}
	if err == nil && o.Cluster != "" {
		id += ";" + o.Cluster
	}
	return id, err
}

// askedMem is how much memory the job asks for, in MiB; 0: none, for all that is
// known of the nodes.
func (s *Slurm) askedMem(o Options, req launcher.Request) int {
	if known, ok := RememberedPartitions(s.opt.StateDir, s.opt.Cluster); ok && o.memUnset(known) {
		return 0
	}
	return req.Resources.MemMiB
}

// elsewhere are the options by which every command is told that the cluster is
// not this machine's own.
func (o Options) elsewhere() []string {
	if o.Cluster == "" {
		return nil
	}
	return []string{"--clusters=" + o.Cluster}
}

var (
	envForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// Nodes as squeue lists them: "n1", of a worker on several "n[1-2,5]".
	nodeForm = regexp.MustCompile(`^[A-Za-z0-9][][A-Za-z0-9._,-]*$`)
	// A job of a cluster that is named is its number there and the name, as
	// sbatch prints it: numbers alone come twice.
	farForm = regexp.MustCompile(`^([0-9]{1,10})(?:;([A-Za-z0-9._-]+))?$`)
)

// isKey says that s can be a job's key: 1 to 64 of A-Z a-z 0-9 . _ -. It and isID
// judge every line of a long queue, where an expression takes most of the time.
func isKey(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// isID says that s can be a job's number.
func isID(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 10
}

// check refuses what no cluster could do. It touches nothing.
func (s *Slurm) check(req launcher.Request) error {
	refuse := func(advice, format string, args ...any) error {
		return &launcher.Refused{Reason: fmt.Sprintf(format, args...), Advice: advice}
	}
	switch r := req.Resources; {
	case !isKey(req.Key) || req.Key[0] == '-':
		return refuse("use letters, digits and . _ -, at most 64", "job name %q", req.Key)
	case req.Workers < 1:
		return refuse("ask for at least 1", "%d workers", req.Workers)
	case len(req.Argv) == 0:
		return refuse("name the program that each worker executes", "no program")
	case !strings.HasPrefix(req.Argv[0], "/"):
		return refuse("use its absolute path", "program %q", req.Argv[0])
	case !strings.HasPrefix(req.Dir, "/"):
		return refuse("use an absolute path", "working directory %q", req.Dir)
	case !strings.HasPrefix(req.LogDir, "/"):
		return refuse("use an absolute path", "folder for logs %q", req.LogDir)
	case r.MemMiB < 1:
		return refuse(`say how much a worker needs: mem = "2G" in [launcher]`, "no memory is asked for, and a Slurm job without it takes a whole node")
	case r.Time <= 0:
		return refuse(`say how long a worker may live: time = "4h" in [launcher]`, "no time is asked for, and a Slurm job has the partition's default then, or no end")
	}
	if _, err := s.options(req); err != nil {
		return refuse("", "%v", err)
	}
	for _, n := range req.Avoid {
		if !nodeForm.MatchString(n) {
			return refuse("", "node to avoid %q, which is no name that Slurm knows", n)
		}
	}
	for _, x := range slices.Concat(req.Argv, req.Env, []string{req.Dir, req.LogDir}) {
		if strings.ContainsRune(x, 0) {
			return refuse("leave it out", "a NUL byte in %q", x)
		}
	}
	for _, kv := range req.Env {
		name, _, ok := strings.Cut(kv, "=")
		switch {
		case !ok || !envForm.MatchString(name):
			return refuse("use NAME=value", "environment %q", kv)
		case spoils(name) || slices.Contains(connects, name):
			return refuse("use the keys of [launcher] instead", "environment %q would change what Slurm's commands do", name)
		}
	}
	return nil
}

// options are the request's, if it has any, else those of Open.
func (s *Slurm) options(req launcher.Request) (Options, error) {
	if len(req.Options) == 0 {
		return s.opt, nil
	}
	o, errs := parseOptions(req.Options)
	return o, errors.Join(errs...)
}

// checkFolders looks from here: login node and compute nodes share what jobs
// need. What only the node lacks, the script notices.
func checkFolders(req launcher.Request) error {
	for _, x := range []struct {
		path, what string
		ok         func(os.FileMode) bool
	}{
		{req.Argv[0], "program", func(m os.FileMode) bool { return m.IsRegular() && m.Perm()&0o111 != 0 }},
		{req.Dir, "working directory", os.FileMode.IsDir},
		{req.LogDir, "folder for logs", os.FileMode.IsDir},
	} {
		st, err := os.Stat(x.path)
		switch {
		case err != nil:
			return folderTrouble(err, x.what+": "+err.Error(), "it must exist before the job is submitted")
		case !x.ok(st.Mode()):
			return &launcher.Refused{Reason: fmt.Sprintf("%s %s has mode %v", x.what, x.path, st.Mode()), Advice: "it cannot be used as one"}
		}
	}
	return nil
}

// folderTrouble says that nothing was asked for since a file could not be used: a
// full disk or a file server that does not answer is no reason never to ask again.
func folderTrouble(err error, reason, advice string) error {
	for _, passes := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT} {
		if errors.Is(err, passes) {
			return &launcher.Limited{Reason: reason}
		}
	}
	return &launcher.Refused{Reason: reason, Advice: advice}
}

// Cancel implements [launcher.Launcher]. One scancel for all: it sends TERM to
// every process of the jobs, and KILL after the cluster's KillWait.
func (s *Slurm) Cancel(ctx context.Context, ids ...string) error { return s.cancel(ctx, ids) }

// Withdraw implements [launcher.Withdrawer].
func (s *Slurm) Withdraw(ctx context.Context, ids ...string) error {
	return s.cancel(ctx, ids, pendingOnly)
}

func (s *Slurm) cancel(ctx context.Context, ids []string, options ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for cluster, known := range byCluster(ids) {
		args := append(Options{Cluster: cluster}.elsewhere(), options...)
		for batch := range slices.Chunk(known, 1000) { // a command line has an end
			if err := judgeScancel(s.run(ctx, deadline, queryEnv(), "scancel", append(args, batch...)...)); err != nil {
				return err
			}
		}
	}
	return nil
}

// over are scancel's words for jobs that nothing needs to be done about. A
// number that belongs to someone else was ours once, and that job is over.
var over = []string{"Invalid job id specified", "Job/step already completing or completed", "Access/permission denied"}

// judgeScancel reads scancel's answer: one line for each job it could not end.
// Its exit code is one of the errors, or 0 even for a number that never was.
func judgeScancel(a answer) error {
	if a.err != nil {
		return a.failed("scancel")
	}
	if a.code == 0 {
		return nil
	}
	bad := 0
	for line := range strings.Lines(a.stderr) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "scancel: error:") {
			continue
		}
		if !slices.ContainsFunc(over, func(w string) bool { return strings.Contains(line, w) }) {
			return fmt.Errorf("%s", line)
		}
		bad++
	}
	if bad == 0 {
		return a.failed("scancel")
	}
	return nil
}

// Jobs implements [launcher.Launcher] with one squeue. The first call of a day
// also asks for the cluster's limits, so that Fit knows them.
func (s *Slurm) Jobs(ctx context.Context) ([]launcher.Worker, error) {
	l := s.ask(ctx)
	mine := []string{"--me"}
	if uid := os.Getuid(); uid == 0 {
		// --me is not filtered by the controller for root, and a name is.
		mine = []string{"-u", strconv.Itoa(uid)}
	}
	a := s.run(ctx, deadline, queryEnv(), "squeue", slices.Concat(s.opt.elsewhere(), mine, []string{"-h", "-r", "-a", "-t", "all", "-O", queueFormat})...)
	if a.err != nil || a.code != 0 {
		return nil, fmt.Errorf("squeue: %w", a.failed("squeue"))
	}
	ws, bad := parseQueue(a.stdout)
	if len(ws) == 0 && bad > 0 {
		if err := unreadable("squeue", a.stdout, parseQueueLine); err != nil {
			return nil, err
		}
	}
	return l.vouch(s.opt.there(ws)), nil
}

// there names the cluster in the IDs of workers that are not on this machine's
// own, as sbatch does.
func (o Options) there(ws []launcher.Worker) []launcher.Worker {
	for i := range ws {
		if o.Cluster != "" {
			ws[i].Job += ";" + o.Cluster
		}
	}
	return ws
}

// vouch takes back the proof of an end where the cluster may lose sight of a
// job's processes, unless there were none.
func (l limits) vouch(ws []launcher.Worker) []launcher.Worker {
	for i := range ws {
		if !l.Tracks && ws[i].Host != "" {
			ws[i].End.Proof = false
		}
	}
	return ws
}
