package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"orch/launcher"
	"orch/launcher/slurm"
	"orch/sweep"
	"orch/sweep/compose"
	"orch/sweep/override"
)

// composeLauncher returns the resolved [launcher] table of a launcher, as a
// sweep that says nothing about it would have it.
func composeLauncher(source *compose.Source, name string, overrides []string) (override.Value, error) {
	shipped := &source.Layers[len(source.Layers)-1]
	shipped.FS = onlyLaunchers{shipped.FS}
	plan, err := sweep.Expand(sweep.Request{
		Source: source, Primary: compose.Primary{Path: "orch doctor", Text: []byte("[task]\ncommand = [\"true\"]\n")},
		Overrides: launcherKeys(append(overrides, "+launcher="+name)), Env: envOverrides(), Launcher: defaultLauncher,
	})
	if err != nil {
		return override.Value{}, err
	}
	return plan.Groups[0].Launcher, nil
}

// cluster asks the scheduler. It returns nil if no job can be submitted.
func (d *doctor) cluster() launcher.Launcher {
	state := ""
	if _, err := os.Stat(d.root); err == nil {
		state = filepath.Join(d.root, "backends", d.spec.Backend)
	}
	l, err := backends.Open(d.p.ctx, launcher.Setup{Spec: d.spec, StateDir: state})
	if err != nil {
		d.say(broken, "sbatch", "log in to a node of the cluster that has Slurm's commands, name their folder in launcher.bin, or use --launcher=joblib", "%v", err)
		return nil
	}
	s, ok := launcher.As[*slurm.Slurm](l)
	if !ok {
		return nil
	}
	f, err := s.Facts(d.p.ctx)
	if f.Sbatch != "" {
		d.say(fine, "sbatch", "", "%s, Slurm %s", f.Sbatch, f.Version)
	}
	if err != nil {
		d.say(broken, "controller", "scontrol ping says whether it is up; SLURM_CONF must name the cluster's slurm.conf", "%v", err)
		return nil
	}
	d.controller(f)
	d.partitions(f)
	d.accounting(f)
	if c, ok := launcher.As[launcher.Counter](l); ok {
		d.say(fine, "calls", "", "%d calls of Slurm's commands by this check%s", c.Calls(), d.recentCalls(l))
	}
	if err := slurm.Judge(f.Partitions, d.spec); err != nil {
		d.say(broken, "launcher", "change the key that it names, in a sweep file or a cluster profile", "%v", err)
		return nil
	}
	if doubt := slurm.Doubt(f.Partitions, d.spec); doubt != "" {
		d.say(warn, "launcher", "", "%s", doubt)
	}
	return l
}

// recentCalls says what all orch processes of this user have asked lately.
func (d *doctor) recentCalls(l launcher.Launcher) string {
	shared, ok := launcher.As[launcher.Bounder](l)
	if !ok {
		return ""
	}
	n := d.p.memories.of(d.spec.Backend, shared.Machine()).Recent(10 * time.Minute)
	return fmt.Sprintf("; %d by all your orch processes on this host in the 10 minutes before, who ask for your jobs at most twice a minute while nothing happens", n)
}

func (d *doctor) controller(f slurm.Facts) {
	state, fix := fine, ""
	if f.Answer > 5*time.Second {
		state, fix = warn, "it is slow: orch asks it less often by itself"
	}
	arrays := "arrays up to " + f.Config["MaxArraySize"]
	if f.Config["MaxArraySize"] == "0" {
		arrays = "no arrays, so each worker is a job of its own"
	}
	d.say(state, "controller", fix, "cluster %s answers in %s; %s, jobs are forgotten %s s after their end, processes tracked by %s",
		f.Config["ClusterName"], f.Answer.Round(time.Millisecond), arrays, strings.TrimSuffix(f.Config["MinJobAge"], " sec"), f.Config["ProctrackType"])
	if f.Config["ProctrackType"] == "proctrack/pgid" {
		d.say(warn, "controller", "nothing to do: orch waits until silence proves a worker dead", "processes that leave their group outlive a job here (proctrack/pgid)")
	}
}

func (d *doctor) partitions(f slurm.Facts) {
	const most = 12
	for i, p := range f.Partitions {
		if i == most {
			d.say(fine, "partition", "", "%d more: sinfo -s lists them", len(f.Partitions)-most)
			break
		}
		name := p.Name
		if p.Default {
			name += " (default)"
		}
		limit := "no time limit"
		if p.MaxTime > 0 {
			limit = "jobs up to " + span(p.MaxTime)
		}
		var kinds []string
		for _, n := range p.Nodes {
			mem := bytesText(int64(n.MemMiB) << 20)
			if n.MemUnset() {
				mem = "memory unknown to Slurm, so that no job asks for any"
			}
			k := fmt.Sprintf("%d %s of %d CPUs, %s", n.Count, plural(n.Count, "node", "nodes"), n.CPUs, mem)
			for _, t := range sortedKeys(n.GPUs) {
				k += fmt.Sprintf(", %d GPUs", n.GPUs[t])
				if t != "" {
					k += " " + t
				}
			}
			kinds = append(kinds, k)
		}
		state, fix := fine, ""
		if p.Down {
			state, fix = warn, "choose another launcher.partition"
			name += " is down"
		}
		d.say(state, "partition", fix, "%s: %s; %s", name, limit, strings.Join(kinds, "; "))
	}
}

func (d *doctor) accounting(f slurm.Facts) {
	switch {
	case !f.Accounting:
		d.say(fine, "accounting", "", "none kept here: squeue and the workers' own records are enough")
	case f.AssocsErr != nil:
		d.say(warn, "accounting", "orch does without; jobs that squeue has forgotten are judged by the workers' records", "the database does not answer: %v", f.AssocsErr)
	case len(f.Assocs) == 0 && strings.Contains(f.Config["AccountingStorageEnforce"], "associations"):
		d.say(broken, "accounting", "ask the administrators to add you", "you have no account on this cluster, and jobs need one")
	case len(f.Assocs) == 0:
		d.say(fine, "accounting", "", "works; you have no account in it, and need none")
	default:
		accounts := map[string]bool{}
		for _, a := range f.Assocs {
			accounts[a.Account] = true
		}
		want, _ := d.spec.Options["account"].(string)
		if want != "" && !accounts[want] {
			d.say(broken, "accounting", "set launcher.account to one of "+strings.Join(sortedKeys(accounts), ", "), "launcher.account %q is none of yours", want)
		}
		for i, a := range f.Assocs {
			if i == 8 {
				d.say(fine, "accounting", "", "%d more accounts: sacctmgr show assoc user=$USER", len(f.Assocs)-i)
				break
			}
			text := "account " + a.Account
			if a.Partition != "" {
				text += " in partition " + a.Partition
			}
			if a.QOS != "" {
				text += ", QOS " + a.QOS
			}
			if len(a.Limits) > 0 {
				text += ", " + strings.Join(a.Limits, " ")
			} else {
				text += ", no limits"
			}
			d.say(fine, "accounting", "", "%s", text)
		}
	}
}

// job looks from a compute node: one array of one worker, started as every
// worker is.
func (d *doctor) job(l launcher.Launcher) {
	limit := d.spec.Time
	if limit <= 0 || limit > 5*time.Minute {
		limit = 5 * time.Minute
	}
	res := launcher.Resources{CPUs: 1, MemMiB: max(1, min(d.spec.MemMiB, 512)), GPUs: d.spec.GPUs, Time: limit}
	if !d.c.Bool("job") {
		gpus := ""
		if res.GPUs > 0 {
			gpus = fmt.Sprintf(", %d %s", res.GPUs, plural(res.GPUs, "GPU", "GPUs"))
		}
		if d.c.Bool("no-job") {
			return
		}
		if d.c.Bool("json") || !d.p.ask(fmt.Sprintf("look from a compute node too? That is one job of 1 CPU%s, at most %s", gpus, span(limit))) {
			d.say(warn, "job", "orch doctor --job", "not looked at from a compute node")
			return
		}
	}
	words := func(format string, args ...any) {
		d.say(broken, "job", "see the lines above it in the job's log, if there is one: "+d.keep(), format, args...)
	}
	exe, err := d.copySelf()
	if err == nil {
		err = os.WriteFile(filepath.Join(d.dir, probeBefore), nil, 0o600)
	}
	if err != nil {
		words("prepare: %v", err)
		return
	}
	begin := time.Now()
	id, err := l.Submit(d.p.ctx, launcher.Request{Key: "orch-doctor-" + strings.ToLower(rand.Text()[:16]), Workers: 1,
		Argv: []string{exe, "doctor", "--probe=" + d.dir}, Dir: d.dir, LogDir: d.dir, Resources: res, Options: d.spec.Options})
	if err != nil {
		d.say(broken, "job", "", "not accepted: %v", err)
		return
	}
	if !d.c.Bool("json") {
		fmt.Fprintf(d.p.stderr, "orch: job %s is submitted; waiting up to %s for it\n", id, span(d.c.Duration("timeout")))
	}
	answer, why := d.await(l, id, begin)
	if answer == nil {
		if err := l.Cancel(d.p.ctx, id); err != nil {
			why += "; cancel it: " + slurm.CancelLine(false, id)
		}
		words("job %s: %s", id, why)
		return
	}
	d.say(fine, "job", "", "job %s ran on node %s, %s after it was submitted", id, answer.Host, span(time.Since(begin)))
	d.answered(answer)
}

// answered judges what the job found.
func (d *doctor) answered(a *probe) {
	d.probed("job files", a, " on node "+a.Host)
	if a.Saw {
		d.say(fine, "job sees", "", "what is written here is listed there, and back")
	} else {
		d.say(warn, "job sees", "nothing to do: workers look again for seconds; if setup fails for want of files, use another file system", "a file made just before the submission was not listed on node %s when the job began", a.Host)
	}
	if gpus := d.spec.GPUs; gpus > 0 {
		switch n := len(strings.FieldsFunc(a.Visible, func(r rune) bool { return r == ',' })); {
		case n < gpus:
			d.say(broken, "job GPUs", "the cluster's gres.conf must name device files: ask the administrators; launcher.gpu_type or gres may help", "%d asked for, and CUDA_VISIBLE_DEVICES is %q", gpus, a.Visible)
		case len(a.GPUs) == 0:
			d.say(warn, "job GPUs", "is a module missing in launcher.setup?", "CUDA_VISIBLE_DEVICES is %q, but neither nvidia-smi nor /dev/nvidia* shows a GPU", a.Visible)
		default:
			d.say(fine, "job GPUs", "", "CUDA_VISIBLE_DEVICES is %q; the driver shows %s", a.Visible, strings.Join(a.GPUs, ", "))
		}
	}
	// Nothing depends on clocks that agree; people who compare logs do.
	skew := time.Since(a.Time)
	state, fix := fine, ""
	if math.Abs(skew.Seconds()) > 60 {
		state, fix = warn, "results do not depend on it; times in logs of different nodes cannot be compared"
	}
	d.say(state, "job clock", fix, "node %s and this machine differ by at most %s", a.Host, max(skew, -skew).Round(100*time.Millisecond))
	if a.Asked != "" {
		d.say(warn, "job slurm", "use cron or orch daemon instead of orch submit --report, whose jobs submit jobs", "Slurm's commands do not work on node %s: %s", a.Host, a.Asked)
	} else {
		d.say(fine, "job slurm", "", "Slurm's commands work on node %s, so orch submit --report can go on by itself", a.Host)
	}
}

// await waits for the job's answer by listing the folder; the scheduler is asked
// only when that took too long, for the reason.
func (d *doctor) await(l launcher.Launcher, id string, begin time.Time) (*probe, string) {
	leave, unlisten := d.p.listen() // the job has to be cancelled
	defer unlisten()
	timer := time.NewTimer(0)
	defer timer.Stop()
	asked := begin
	for {
		select {
		case <-leave:
			return nil, "interrupted"
		case <-d.p.ctx.Done():
			return nil, "interrupted"
		case <-timer.C:
		}
		entries, err := os.ReadDir(d.dir)
		if err != nil {
			return nil, err.Error()
		}
		if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == probeAnswer }) {
			b, err := os.ReadFile(filepath.Join(d.dir, probeAnswer))
			a := &probe{}
			if err == nil {
				err = json.Unmarshal(b, a)
			}
			if err == nil {
				return a, ""
			}
		}
		late := time.Since(begin) > d.c.Duration("timeout")
		if late || time.Since(asked) > 15*time.Second { // it may have ended without an answer
			asked = time.Now()
			if w := d.worker(l, id); w != nil && (late || w.State == launcher.Ended || w.Stuck) {
				why := fmt.Sprintf("%s: %s", w.State, w.Reason)
				if w.State == launcher.Ended {
					why = fmt.Sprintf("ended on node %s without an answer: %s%s", w.Host, w.Reason, d.lastWords())
				}
				return nil, why
			} else if late {
				return nil, "no answer within " + span(d.c.Duration("timeout")) + ", and the scheduler does not know the job any more" + d.lastWords()
			}
		}
		timer.Reset(200 * time.Millisecond)
	}
}

func (d *doctor) worker(l launcher.Launcher, id string) *launcher.Worker {
	list, err := l.Jobs(d.p.ctx)
	if err != nil {
		return nil
	}
	for i := range list {
		if list[i].Job == id {
			return &list[i]
		}
	}
	return nil
}

// lastWords quotes the job's log.
func (d *doctor) lastWords() string {
	if lines := lastLines(filepath.Join(d.dir, "worker-0.log"), 3); len(lines) > 0 {
		return "; its log ends: " + strings.Join(lines, " / ")
	}
	return ""
}

// keep saves a failed job's log from the folder that is about to go.
func (d *doctor) keep() string {
	b, err := os.ReadFile(filepath.Join(d.dir, "worker-0.log"))
	if err != nil || len(b) == 0 {
		return "none was written"
	}
	f, err := os.CreateTemp("", "orch-doctor-*.log")
	if err != nil {
		return err.Error()
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		return err.Error()
	}
	return f.Name()
}

// copySelf puts this program where the job can see it, as submit does.
func (d *doctor) copySelf() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	src, err := os.Open(exe)
	if err != nil {
		return "", err
	}
	defer src.Close()
	path := filepath.Join(d.dir, "orch")
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(dst, src)
	return path, errors.Join(err, dst.Sync(), dst.Close())
}
