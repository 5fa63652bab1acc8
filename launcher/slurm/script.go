package slurm

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"orch/launcher"
)

// The signals by which the script says that it could not start the worker.
// Slurm reports them as a job that FAILED with exit code 0:60 to 0:62. No
// program dies of a real-time signal by accident, while any exit code may be
// the worker's own. Slurm itself uses 0:53 for a job without a log.
const (
	sigSetup   = 60 // the setup lines failed
	sigProgram = 61 // the program cannot be executed on this node
	sigFolder  = 62 // the log folder or the working directory is not there
	sigNoLog   = 53 // Slurm's own: the log could not be opened
)

// script is the batch script of the job with this key. It is the same for all
// jobs but for the key; what users wrote is read from files.
//
// It starts in the log folder. What is not there at once may be on its way: a
// network file system shows a new file after a look at the folder. USR1 is
// ignored until the worker, which expects it, has set its own handler.
func script(key, cluster string, setup, ownLog bool) string {
	id := "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}"
	if cluster != "" {
		id = `"` + id + ";" + cluster + `"`
	}
	var b strings.Builder
	fmt.Fprintf(&b, `#!/bin/bash
key=%s
`, key)
	if ownLog {
		b.WriteString(`exec >>"worker-${SLURM_ARRAY_TASK_ID:-0}.log" 2>&1 # Slurm would misread the folder's name
`)
	}
	b.WriteString(`trap '' USR1
say() { echo "orch: $*" >&2; }
for wait in 1 2 4 0; do
    [ -r "$key.argv" ] && break
    ls . >/dev/null
    sleep $wait
done
if [ ! -r "$key.argv" ]; then
    say "$key.argv is not in $PWD: node $SLURMD_NODENAME does not see the job's folder $SLURM_SUBMIT_DIR"
    kill -` + strconv.Itoa(sigFolder) + ` $$
fi
argv=()
while IFS= read -r -d '' word; do argv+=("$word"); done <"$key.argv"
here=$PWD
if ! cd -- "${argv[0]}"; then
    say "node $SLURMD_NODENAME does not see the working directory"
    kill -` + strconv.Itoa(sigFolder) + ` $$
fi
# sbatch was run with LC_ALL=C, the user was not.
if [ -n "$ORCH_USER_LC_ALL" ]; then export LC_ALL=$ORCH_USER_LC_ALL; else unset LC_ALL; fi
unset ORCH_USER_LC_ALL
export ` + launcher.EnvKey + `=$key ` + launcher.EnvIndex + `=${SLURM_ARRAY_TASK_ID:-0} ` +
		launcher.EnvJob + `=` + id + ` ` + launcher.EnvNode + `=$SLURMD_NODENAME
`)
	if setup {
		b.WriteString(`# Batch shells read no profile: give the setup lines "module" and "conda".
if ! type module >/dev/null 2>&1; then
    for init in "$MODULESHOME/init/bash" "$LMOD_PKG/init/bash" /etc/profile.d/modules.sh /etc/profile.d/z00_lmod.sh /etc/profile.d/lmod.sh; do
        [ -r "$init" ] && . "$init" && break
    done
fi
if ! type conda >/dev/null 2>&1 && [ -r "${CONDA_EXE%/bin/conda}/etc/profile.d/conda.sh" ]; then
    . "${CONDA_EXE%/bin/conda}/etc/profile.d/conda.sh"
fi
# Never set -u: modules and conda do not live with it.
trap 'code=$?; say "setup failed on $SLURMD_NODENAME with exit code $code; the lines above say why"; kill -` + strconv.Itoa(sigSetup) + ` $$' EXIT
set -eo pipefail
. "$here/$key.setup"
set +eo pipefail
trap - EXIT
`)
	}
	b.WriteString(`shopt -s execfail
export ` + launcher.EnvSpent + `=$SECONDS
exec -- "${argv[@]:1}"
say "node $SLURMD_NODENAME cannot execute ${argv[1]}"
kill -` + strconv.Itoa(sigProgram) + ` $$
`)
	return b.String()
}

// files are what lies in the log folder when the job starts, by name.
func (o Options) files(req launcher.Request) map[string]string {
	words := slices.Concat([]string{req.Dir}, o.Wrap, req.Argv)
	f := map[string]string{
		req.Key + ".sh":   script(req.Key, o.Cluster, len(o.Setup) > 0, misread(req.LogDir)),
		req.Key + ".argv": strings.Join(words, "\x00") + "\x00",
	}
	if len(o.Setup) > 0 {
		f[req.Key+".setup"] = strings.Join(o.Setup, "\n") + "\n"
	}
	return f
}

// misread says whether Slurm takes something in a folder's name for a pattern
// (%j) or an escape. It does so after joining folder and file name, so that
// even a plain --output is wrong in there; the script opens the log then.
func misread(folder string) bool { return strings.ContainsAny(folder, `%\`) }

// sbatchArgs is the command line of sbatch. Every option is one word, so that a
// value with a dash or a space stays a value. On a cluster without arrays the
// one worker that a request may have is a job without an index, which counts as
// index 0 everywhere.
func (o Options) sbatchArgs(req launcher.Request, arrays bool) []string {
	r := req.Resources
	output := "worker-0.log"
	if arrays {
		output = "worker-%a.log"
	}
	if misread(req.LogDir) {
		output = "/dev/null"
	}
	args := []string{
		"--parsable", "--no-requeue", "--open-mode=append", "--export=ALL",
		"--job-name=" + req.Key,
	}
	if arrays {
		array := "--array=0-" + strconv.Itoa(req.Workers-1)
		if o.Throttle > 0 {
			array += "%" + strconv.Itoa(o.Throttle)
		}
		args = append(args, array)
	}
	args = append(args,
		"--chdir="+req.LogDir, "--output="+output,
		"--nodes="+strconv.Itoa(max(1, r.Nodes)), "--ntasks="+strconv.Itoa(max(1, r.Tasks)),
		"--cpus-per-task="+strconv.Itoa(max(1, r.CPUs)))
	switch {
	case r.MemMiB <= 0 || o.MemAs == memNone:
	case o.MemAs == memCPU:
		n := nodeCPUs(r.CPUs, r.Nodes, r.Tasks)
		args = append(args, "--mem-per-cpu="+strconv.Itoa((r.MemMiB+n-1)/n)+"M")
	default:
		args = append(args, "--mem="+strconv.Itoa(r.MemMiB)+"M")
	}
	args = append(args,
		"--time="+slurmTime(r.Time),
		fmt.Sprintf("--signal=B:USR1@%d", warnSeconds(o.Warn, r.Time)))
	args = append(args, o.elsewhere()...)
	add := func(name, value string) {
		if value != "" {
			args = append(args, "--"+name+"="+value)
		}
	}
	add("partition", o.Partition)
	add("account", o.Account)
	add("qos", o.QOS)
	add("reservation", o.Reservation)
	add("constraint", o.Constraint)
	add("exclude", strings.Join(slices.DeleteFunc(append([]string{o.Exclude}, req.Avoid...), func(n string) bool { return n == "" }), ","))
	add("nodelist", o.NodeList)
	add("comment", o.Comment)
	add("gres", gres(o, r.GPUs))
	args = append(args, o.Extra...)
	// From the folder where the job starts, so that nothing but the script's
	// own path depends on what the folder is called.
	return append(args, req.LogDir+"/"+req.Key+".sh")
}

// nodeCPUs is how many CPUs a worker has on each of its nodes: those of its tasks,
// which are spread over them.
func nodeCPUs(cpus, nodes, tasks int) int {
	nodes, tasks = max(1, nodes), max(1, tasks)
	return max(1, cpus) * ((tasks + nodes - 1) / nodes)
}

func gres(o Options, gpus int) string {
	var list []string
	if gpus > 0 {
		g := "gpu:"
		if o.GPUType != "" {
			g += o.GPUType + ":"
		}
		list = append(list, g+strconv.Itoa(gpus))
	}
	if o.Gres != "" {
		list = append(list, o.Gres)
	}
	return strings.Join(list, ",")
}

// slurmTime writes a limit as minutes, rounded up: Slurm counts in minutes.
func slurmTime(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Minutes()))))
}

// warnSeconds is how long before its end a job gets USR1: not more than a
// quarter of a short job's time.
func warnSeconds(warn, limit time.Duration) int {
	if warn <= 0 {
		warn = DefaultWarn
	}
	return max(1, int(min(warn, limit/4).Seconds()))
}

// Preview implements [launcher.Previewer]: the command and the files.
func (s *Slurm) Preview(req launcher.Request) (string, error) {
	if err := s.check(req); err != nil {
		return "", err
	}
	path, err := s.path("sbatch")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(quote(path))
	o, _ := s.options(req)
	req.Resources.MemMiB = s.askedMem(o, req)
	for _, a := range o.sbatchArgs(req, !s.ask(context.Background()).NoArrays) {
		b.WriteString(" \\\n    " + quote(a))
	}
	b.WriteString("\n")
	files := o.files(req)
	for _, suffix := range []string{".sh", ".setup", ".argv"} {
		if text, ok := files[req.Key+suffix]; ok {
			fmt.Fprintf(&b, "\n# %s%s\n%s", req.Key, suffix, strings.ReplaceAll(text, "\x00", "\n"))
		}
	}
	return b.String(), nil
}

// quote writes a word so that a shell reads it back.
func quote(w string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-=:,%@+", r)
	}
	if w != "" && strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) < 0 {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
