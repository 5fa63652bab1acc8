package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"orch/launcher"
	"orch/launcher/pool"
	"orch/launcher/slurm"
	"orch/sweep/results"
)

func doctorCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "doctor",
		Usage:     "check that this machine, its scheduler and the results folder do what orch needs",
		ArgsUsage: "[KEY=VALUE...]",
		Description: "A line a check: ok, warn or fail, and what to do. With a scheduler it offers to\n" +
			"submit one small job that looks from a compute node: --job does so, --no-job\n" +
			"does not; where nobody can be asked it does not. Launcher keys as in submit:\n" +
			"orch doctor --launcher=slurmgpu launcher.partition=gpu. Exit code 1 if anything\n" +
			"is broken. The schema of --json is orch.doctor/1.",
		Flags: []cli.Flag{resultsFlag(), configDirFlag(), jsonFlag(),
			&cli.StringFlag{Name: "launcher", Usage: "launcher `NAME`; slurm if there is an sbatch"},
			&cli.BoolFlag{Name: "job", Usage: "submit the job without asking"},
			&cli.BoolFlag{Name: "no-job", Usage: "submit none"},
			&cli.DurationFlag{Name: "timeout", Value: 5 * time.Minute, Usage: "`TIME` to wait for the job"},
			&cli.StringFlag{Name: "probe", Hidden: true, Usage: "what the job does: try `FOLDER`"},
		},
		Action: func(c *cli.Context) error {
			if dir := c.String("probe"); dir != "" {
				return probeFromJob(p.ctx, dir)
			}
			return p.doctor(c)
		},
	}
}

// finding is a line of the doctor's.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, warn, fail
	Text  string `json:"text"`
	Fix   string `json:"fix,omitempty"`
}

const (
	fine   = "ok"
	warn   = "warn"
	broken = "fail"
)

// doctor collects findings and prints each as it comes: some take minutes.
type doctor struct {
	p    *program
	c    *cli.Context
	list []finding

	root string // results root, absolute; it may not exist
	dir  string // folder for probes, inside root or where root would be made
	spec launcher.Spec
}

func (p *program) doctor(c *cli.Context) error {
	root, err := filepath.Abs(resultsRoot(c))
	if err != nil {
		return err
	}
	d := &doctor{p: p, c: c, root: root}
	if c.Bool("job") && c.Bool("no-job") {
		return usage("--job and --no-job: choose one")
	}
	d.self()
	d.machine()
	if err := d.launcher(); err != nil {
		return err
	}
	ok, cleanup := d.folder()
	defer cleanup()
	if d.spec.Backend == slurm.Backend.Name {
		if s := d.cluster(); s != nil && ok {
			d.job(s)
		}
	}
	d.periodic()
	d.claims()
	bad := slices.ContainsFunc(d.list, func(f finding) bool { return f.State == broken })
	if c.Bool("json") {
		err := p.printJSON(struct {
			Schema string    `json:"schema"`
			OK     bool      `json:"ok"`
			Checks []finding `json:"checks"`
		}{"orch.doctor/1", !bad, d.list})
		if err != nil {
			return err
		}
	}
	if bad {
		return quiet(exitFailed)
	}
	return nil
}

// say adds a finding; fix is what to do about it.
func (d *doctor) say(state, check, fix, format string, args ...any) {
	f := finding{check, state, oneLine(fmt.Sprintf(format, args...)), fix}
	d.list = append(d.list, f)
	if d.c.Bool("json") {
		return
	}
	line := fmt.Sprintf("%-10s %s", f.Check, f.Text)
	if f.Fix != "" {
		line += "\n                -> " + f.Fix
	}
	colour := map[string]string{fine: green, warn: yellow, broken: red}[state]
	fmt.Fprintf(d.p.stdout, "%s %s\n", d.p.paint(colour, fmt.Sprintf("%-4s", state)), line)
}

func (d *doctor) self() {
	state, fix := fine, ""
	text := fmt.Sprintf("%s (%s), %s/%s, host %s", version, commit(), runtime.GOOS, runtime.GOARCH, hostName())
	if os.Geteuid() == 0 {
		state, fix = warn, "use your own account, unless this is a container"
		text += ", running as root: the results will belong to root"
	}
	d.say(state, "orch", fix, "%s", text)
}

// machine says what workers of this machine may use.
func (d *doctor) machine() {
	l, err := backends.Open(d.p.ctx, launcher.Setup{Spec: launcher.Spec{Backend: pool.Backend.Name}, StateDir: filepath.Join(os.TempDir(), "orch-doctor-none")})
	n := 0
	if err == nil {
		if s, ok := launcher.As[launcher.Sizer](l); ok {
			n, _ = s.Fit(launcher.Resources{CPUs: 1})
		}
	}
	text := fmt.Sprintf("%d %s for local workers", n, plural(n, "core", "cores"))
	if gpus := gpuList(); len(gpus) > 0 {
		text += fmt.Sprintf(", %d %s: %s", len(gpus), plural(len(gpus), "GPU", "GPUs"), gpus[0])
	} else {
		text += ", no GPU seen"
	}
	d.say(fine, "machine", "", "%s", text)
}

// launcher composes the launcher as submit would.
func (d *doctor) launcher() error {
	name := d.c.String("launcher")
	if name == "" {
		name = defaultLauncher
		if _, err := exec.LookPath("sbatch"); err == nil {
			name = "slurm"
		}
		if err := d.c.Set("launcher", name); err != nil {
			return err
		}
	}
	here, err := findCluster(configDir(d.c))
	if err != nil {
		return err
	}
	source, err := d.p.source(d.c)
	if err != nil {
		return err
	}
	plan, err := composeLauncher(source, name, d.c.Args().Slice())
	if err != nil {
		return asUsage(err)
	}
	spec, errs := parseLauncher(plan)
	if len(errs) > 0 {
		return asUsage(errors.Join(errs...))
	}
	d.spec = spec
	if here != nil {
		d.say(fine, "profile", "", "cluster %s, from %s", here.name, here.place.Label)
	}
	d.say(fine, "launcher", "", "%s", newGroupJSON(results.Group{Runs: 1, Launcher: plan}, spec))
	if spec.Backend != slurm.Backend.Name {
		return nil
	}
	for _, line := range slurm.Unheard(spec.Options) {
		d.say(warn, "shell", "", "%s", line)
	}
	if here != nil {
		if err := slurm.Judge(here.partitions, spec); err != nil {
			d.say(broken, "launcher", "change the key that it names, in a sweep file or the profile", "%v", err)
		}
	}
	return nil
}

// folder probes where results are, or would be. cleanup removes what it made.
func (d *doctor) folder() (ok bool, cleanup func()) {
	cleanup = func() {}
	base, made := d.root, true
	for {
		st, err := os.Stat(base)
		if err == nil && !st.IsDir() {
			d.say(broken, "results", "choose another with --results or $ORCH_RESULTS", "%s is no folder", base)
			return false, cleanup
		}
		if err == nil {
			break
		}
		if parent := filepath.Dir(base); parent != base {
			base, made = parent, false
			continue
		}
		d.say(broken, "results", "choose another with --results or $ORCH_RESULTS", "%s cannot be reached: %v", d.root, err)
		return false, cleanup
	}
	dir, err := os.MkdirTemp(base, ".orch-doctor-")
	if err != nil {
		d.say(broken, "results", "choose another with --results or $ORCH_RESULTS", "no file can be made in %s: %v", base, err)
		return false, cleanup
	}
	d.dir = dir
	cleanup = func() { os.RemoveAll(dir) }
	disk := diskOf(base)
	text := d.root
	if !made {
		text += " (made by the first submit)"
	}
	if disk.kind != "" {
		text += ", " + disk.kind
	}
	state, fix := fine, ""
	if disk.free >= 0 {
		text += ", " + bytesText(disk.free) + " free"
		if disk.free < 1<<30 {
			state, fix = warn, "orch prune shows what can go; or choose another folder with --results"
		}
	}
	if disk.freeInodes >= 0 && disk.freeInodes < 10_000 {
		state, fix = warn, "a run takes about 4 files: orch prune, or another folder with --results"
		text += fmt.Sprintf(", only %d more files", disk.freeInodes)
	}
	if st, err := os.Stat(base); err == nil && st.Mode().Perm()&0o002 != 0 && st.Mode()&os.ModeSticky == 0 {
		state, fix = warn, "chmod o-w "+shellWord(base)
		text += ", writable by every user"
	}
	d.say(state, "results", fix, "%s", text)
	d.probed("files", probeFiles(dir), "")
	return true, cleanup
}

// probed judges what a probe found here or on a node.
func (d *doctor) probed(check string, p *probe, where string) {
	for _, op := range operations {
		if why, bad := p.Failed[op]; bad {
			d.say(broken, check, "choose a folder on another file system with --results: results cannot be kept safe here", "%s does not work%s: %s", op, where, why)
		}
	}
	if len(p.Failed) > 0 {
		return
	}
	state, fix := fine, ""
	if p.Publish > 200*time.Millisecond {
		state, fix = warn, "short runs will wait for the disk: choose a faster file system, or make runs longer"
	}
	d.say(state, check, fix, "%s work%s; a durable small file takes %s", strings.Join(operations, ", "), where, p.Publish.Round(10*time.Microsecond))
}

// periodic says what can call orch collect from time to time.
func (d *doctor) periodic() {
	var can, has []string
	why := ""
	for _, tool := range []string{"crontab", "scrontab"} {
		if tool == "scrontab" && d.spec.Backend != slurm.Backend.Name {
			continue
		}
		path, err := exec.LookPath(tool)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(d.p.ctx, path, "-l").CombinedOutput()
		text := string(out)
		if err != nil && !strings.Contains(strings.ToLower(text), "no crontab for") {
			why = fmt.Sprintf("; %s: %s", tool, oneLine(text))
			continue
		}
		can = append(can, tool)
		if strings.Contains(text, "orch") && strings.Contains(text, "collect") {
			has = append(has, tool)
		}
	}
	switch {
	case len(has) > 0:
		d.say(fine, "cron", "", "your %s calls orch collect", has[0])
	case len(can) > 0:
		fix := ""
		if d.spec.Backend == slurm.Backend.Name {
			fix = "to have dead workers replaced while you are away: deploy/cron.md has the line, orch submit --report needs none"
		}
		d.say(fine, "cron", fix, "%s can be used; no orch collect in it", strings.Join(can, " and "))
	case d.spec.Backend == slurm.Backend.Name:
		d.say(warn, "cron", "orch submit --report goes on by jobs of its own; or leave orch daemon running where that is allowed", "neither crontab nor scrontab can be used here%s", why)
	}
}

// claims looks for blocks that dead workers still hold.
func (d *doctor) claims() {
	tree, err := results.Open(d.root)
	var none *results.NoTreeError
	switch {
	case errors.As(err, &none):
		return
	case err != nil:
		d.say(broken, "tree", "", "%v", err)
		return
	}
	defer tree.Close()
	names, err := tree.Sweeps()
	if err != nil {
		d.say(broken, "tree", "", "%v", err)
		return
	}
	held, dead := 0, map[string]int{}
	for _, name := range names {
		if d.p.ctx.Err() != nil {
			return
		}
		s, err := tree.Sweep(name)
		if err != nil {
			d.say(broken, "tree", "orch fsck "+name, "sweep %s: %v", name, err)
			continue
		}
		if n, ok := noted(s); !ok || !n.Settled {
			sn, err := s.Snapshot()
			if err != nil {
				d.say(broken, "tree", "orch fsck "+name, "sweep %s: %v", name, err)
				s.Close()
				continue
			}
			for _, claim := range sn.OpenClaims() {
				held++
				quiet := time.Duration(tree.Silence * float64(time.Second))
				last := sn.LastWord(claim.Holder.Name)
				if fate := claim.Holder.Fate(); fate == results.FateDead || fate != results.FateAlive && !last.IsZero() && time.Since(last) > quiet {
					dead[name]++
				}
			}
		}
		s.Close()
	}
	if len(dead) == 0 {
		d.say(fine, "claims", "", "%d %s, %d %s held by workers, none stale", len(names), plural(len(names), "sweep", "sweeps"), held, plural(held, "block", "blocks"))
		return
	}
	for _, name := range sortedKeys(dead) {
		d.say(warn, "claims", "orch collect "+name, "%s: %d %s held by workers that are dead or silent", name, dead[name], plural(dead[name], "block is", "blocks are"))
	}
}

// ask asks a question whose answer is yes unless somebody says no. Where nobody
// can be asked it is no.
func (p *program) ask(question string) bool {
	if !isTerminal(p.stdout) || !isTerminal(os.Stdin) {
		return false
	}
	fmt.Fprintf(p.stdout, "%s [Y/n] ", question)
	leave, unlisten := p.listen()
	defer unlisten()
	answer := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil {
			line = "no"
		}
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case a := <-answer:
		return a == "" || a == "y" || a == "yes"
	case <-leave:
		return false
	}
}
