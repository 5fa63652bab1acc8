//go:build linux

package examples

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// orch is the binary under test, built once.
var orch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "orch-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	orch = filepath.Join(dir, "orch")
	build := exec.Command("go", "build", "-o", orch, "orch/cmd/orch")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build orch: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// patience bounds every wait: the machine may have much else to do.
const patience = 4 * time.Minute

// python skips a test that lacks Debian's package with this module.
func python(t *testing.T, module, debian string) {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import "+module).Run(); err != nil {
		t.Skipf("needs %s in /usr/bin/python3: apt-get install %s", module, debian)
	}
}

// tree is a results tree of an example's sweep.
type tree struct {
	t     *testing.T
	path  string // of the results
	sweep string
	file  string   // the sweep file
	args  []string // of every submit
	env   []string
}

func newTree(t *testing.T, example, sweep string, args ...string) *tree {
	t.Helper()
	return &tree{t: t, path: filepath.Join(t.TempDir(), "results"), sweep: sweep, file: filepath.Join(example, "sweep.toml"), args: args}
}

// command prepares an orch command that is typed in the example's folder.
func (r *tree) command(args ...string) *exec.Cmd {
	cmd := exec.Command(orch, args...)
	cmd.Dir = filepath.Dir(r.file)
	cmd.Env = append(append(os.Environ(), "ORCH_RESULTS="+r.path, "PYTHONDONTWRITEBYTECODE=1"), r.env...)
	cmd.WaitDelay = time.Minute // of its output, which the machine may be slow to bring
	return cmd
}

// run runs orch to its end and wants it to go well.
func (r *tree) run(args ...string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out bytes.Buffer
	cmd := r.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	defer context.AfterFunc(ctx, func() { cmd.Process.Kill() })()
	if err := cmd.Wait(); err != nil {
		r.t.Fatalf("orch %q: %v\n%s", args, err, &out)
	}
	return out.String()
}

func (r *tree) submit(more ...string) string {
	r.t.Helper()
	return r.run(slices.Concat([]string{"submit", filepath.Base(r.file)}, r.args, more)...)
}

// untilMidway waits until a worker has journaled a checkpoint.
func (r *tree) untilMidway() {
	r.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(r.path, r.sweep, "journals", "*.jsonl"))
		for _, file := range files {
			if b, _ := os.ReadFile(file); bytes.Contains(b, []byte(`{"k":"ckpt"`)) {
				return
			}
		}
		if time.Now().After(end) {
			r.t.Fatal("no run reported a checkpoint")
		}
	}
}

// table reads a collected table: for each row the named columns.
func (r *tree) table(name string, columns ...string) []string {
	r.t.Helper()
	f, err := os.Open(filepath.Join(r.path, r.sweep, "collected", name))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	in := csv.NewReader(f)
	head, err := in.Read()
	if err != nil {
		r.t.Fatal(err)
	}
	var rows []string
	for {
		record, err := in.Read()
		if err == io.EOF {
			slices.Sort(rows)
			return rows
		}
		if err != nil {
			r.t.Fatal(err)
		}
		var row []string
		for _, c := range columns {
			i := slices.Index(head, c)
			if i < 0 {
				r.t.Fatalf("%s has no column %q: %q", name, c, head)
			}
			row = append(row, record[i])
		}
		rows = append(rows, strings.Join(row, " "))
	}
}

// results are the runs' final metrics and their curves, to the last digit.
func (r *tree) results() string {
	r.t.Helper()
	r.run("collect", r.sweep)
	r.run("fsck")
	return strings.Join(slices.Concat(r.table("runs.csv", "name", "state", "loss", "test.accuracy"), r.table("metrics.csv", "run", "step", "metric", "value")), "\n")
}

// resumed counts the attempts that went on from an earlier one's checkpoint.
func (r *tree) resumed() int {
	r.t.Helper()
	logs, err := filepath.Glob(filepath.Join(r.path, r.sweep, "runs", "*", "*", "log.txt"))
	if err != nil {
		r.t.Fatal(err)
	}
	n := 0
	for _, file := range logs {
		if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte("resumes after epoch")) {
			n++
		}
	}
	return n
}

// killed is an example whose sweep is killed in the middle by kill and
// submitted again. A machine may be so busy that all runs end before they are
// killed: then it is tried again.
func killed(t *testing.T, undisturbed string, make func() *tree, kill func(*tree)) {
	t.Helper()
	for range 10 {
		r := make()
		kill(r)
		r.submit("--wait")
		if got := r.results(); got != undisturbed {
			t.Fatalf("killed and submitted again it has other results (<: undisturbed):\n%s", unlike(undisturbed, got))
		}
		if n := r.resumed(); n > 0 {
			t.Logf("%d runs went on from a checkpoint", n)
			return
		}
	}
	t.Error("no run was cut short in ten trials")
}

// unlike lists the lines that only one of two texts has.
func unlike(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	var out []string
	for _, l := range as {
		if !slices.Contains(bs, l) {
			out = append(out, "< "+l)
		}
	}
	for _, l := range bs {
		if !slices.Contains(as, l) {
			out = append(out, "> "+l)
		}
	}
	return strings.Join(out, "\n")
}

// killSubmit kills orch submit with -9, and with it its workers and programs.
func killSubmit(r *tree) {
	r.t.Helper()
	cmd := r.command(slices.Concat([]string{"submit", filepath.Base(r.file)}, r.args)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	defer cmd.Wait()
	defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	r.untilMidway()
}

// killJobs submits to Slurm, which returns, and kills the jobs with all their
// processes.
func killJobs(r *tree) {
	r.t.Helper()
	r.submit()
	r.untilMidway()
	jobs := strings.Fields(slurm(r.t, r.env, "squeue", "-h", "-o", "%A"))
	slices.Sort(jobs)
	for _, job := range slices.Compact(jobs) {
		kill := exec.Command("scancel", "--full", "--signal=KILL", job)
		kill.Env = append(os.Environ(), r.env...)
		kill.Run() // it may have ended meanwhile
	}
}

func slurm(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// cluster starts a real Slurm until the test's end and returns the environment
// that names it.
func cluster(t *testing.T) []string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real Slurm: not with -short")
	}
	for _, name := range []string{"sbatch", "slurmctld", "slurmd", "munged"} {
		if _, err := exec.LookPath(name); err != nil {
			if _, err := os.Stat("/usr/sbin/" + name); err != nil {
				t.Skipf("needs a Slurm that it can start, and there is no %s: apt-get install slurm-wlm munge", name)
			}
		}
	}
	script, err := filepath.Abs("../slurm-dev")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(os.TempDir(), "orch-slurm-examples-"+strconv.Itoa(os.Getpid()))
	name := "x" + strconv.FormatInt(int64(os.Getpid()), 36)
	slurmDev := func(cmd string) {
		if out, err := exec.Command(script, cmd, "--name", name, "--dir", dir, "--conf", "SlurmdTimeout=300").CombinedOutput(); err != nil {
			t.Fatalf("slurm-dev %s: %v\n%s", cmd, err, out)
		}
	}
	t.Cleanup(func() { slurmDev("down") })
	slurmDev("up")
	return []string{"SLURM_CONF=" + dir + "/slurm.conf"}
}

// example runs a sweep undisturbed, killed on this machine, and killed on Slurm.
func example(t *testing.T, folder, sweep string) {
	undisturbed := func() string {
		r := newTree(t, folder, sweep)
		r.submit()
		for _, row := range r.table("attempts.csv", "class", "exit", "max_rss", "cpu_seconds") {
			f := strings.Fields(row)
			if rss, _ := strconv.Atoi(f[2]); f[0] != "done" || f[1] != "0" || rss < 10<<20 || f[3] == "0" {
				t.Errorf("an attempt's class, exit code, memory, CPU time: %s; want done, 0, what Python takes", row)
			}
		}
		return r.results()
	}()
	t.Run("pool", func(t *testing.T) {
		killed(t, undisturbed, func() *tree { return newTree(t, folder, sweep) }, killSubmit)
	})
	t.Run("slurm", func(t *testing.T) {
		env := cluster(t)
		killed(t, undisturbed, func() *tree {
			r := newTree(t, folder, sweep, "--launcher=slurm", "launcher.workers=2", "launcher.mem=1G")
			r.env = env
			return r
		}, killJobs)
	})
}

func TestSklearn(t *testing.T) {
	python(t, "sklearn", "python3-sklearn")
	example(t, "sklearn", "sklearn_digits")
}

func TestTorch(t *testing.T) {
	if os.Getenv("ORCH_LONG") == "" {
		t.Skip("takes a minute: set ORCH_LONG=1")
	}
	python(t, "torch", "python3-torch")
	example(t, "torch", "torch_spirals")
}

// Programs without Python, on Slurm: they find the frozen orch in their PATH, and
// those that wait in the queue are as they were when they were submitted.
func TestShellOnSlurm(t *testing.T) {
	r := newTree(t, t.TempDir(), "shell", "--launcher=slurm", "launcher.workers=1")
	r.env = cluster(t)
	folder := filepath.Dir(r.file)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sweep.toml", `name = "shell"
[task]
command = ["sh", "-e", "run.sh", "{loss}"]
snapshot = true
[sweep]
loss = [0.5, "nan"]
`)
	write("run.sh", `command -v orch
orch metric loss=$1 --step 3
$ORCH_BIN metric own=1
while [ ! -e "$ORCH_SUBMIT_DIR/edited" ]; do sleep 0.05; done
`)
	r.submit()
	write("run.sh", "exit 1\n")
	write("edited", "")
	r.submit("--wait")
	r.run("collect", "shell")
	if got, want := r.table("runs.csv", "state", "nonfinite", "own"), []string{"done  1.0", "done loss=nan 1.0"}; !slices.Equal(got, want) {
		t.Errorf("state, what is not finite, own: %q, want %q", got, want)
	}
	logs, err := filepath.Glob(filepath.Join(r.path, "shell", "runs", "*", "*", "log.txt"))
	if err != nil || len(logs) != 2 {
		t.Fatalf("logs %q, %v; want two", logs, err)
	}
	for _, file := range logs {
		if b, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(b), filepath.Join(r.path, "bin")+"/") {
			t.Errorf("the program found %q, %v; want the frozen binary's folder", b, err)
		}
	}
}
