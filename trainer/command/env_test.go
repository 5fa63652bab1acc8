//go:build unix

package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orch/sweep/override"
)

func TestEnvironment(t *testing.T) {
	t.Setenv("USER_OWN", "kept")
	t.Setenv("WANDB_DIR", "/exported")
	t.Setenv("OMP_NUM_THREADS", "64")
	t.Setenv("ORCH_RESUME", "/of/an/enclosing/run")
	t.Setenv("ORCH_CONFIG_JSON", "/of/an/enclosing/run")
	r := newTrial(t, "")
	r.Config = program(t, "env").Set("seed", override.IntValue(7)).Set("k", override.StringValue("v w")).
		Set("task.env.MKL_NUM_THREADS", override.StringValue("1")).Set("task.env.MINE", override.StringValue("{k}/{id}")).
		Set("task.env.WANDB_NAME", override.StringValue("chosen"))
	r.GPUs = []string{"1", "2"}
	r.Env = []string{"FROM_WORKER=x", "ORCH_SWEEP=worker's"}
	if err := r.train(t); err != nil {
		t.Fatal(err)
	}
	var env []string
	if err := json.Unmarshal([]byte(r.out()), &env); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range env {
		name, _, _ := strings.Cut(s, "=")
		if names[name] {
			t.Errorf("%s is set twice", name)
		}
		names[name] = true
	}
	for name, want := range map[string]string{
		"USER_OWN": "kept", "WANDB_DIR": "/exported", "WANDB_NAME": "chosen", "WANDB_RUN_GROUP": "sw", "MLFLOW_EXPERIMENT_NAME": "sw",
		"TENSORBOARD_LOGDIR": r.Dir, "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3", "MKL_NUM_THREADS": "1", "MINE": "v w/r1",
		"CUDA_VISIBLE_DEVICES": "1,2", "FROM_WORKER": "x", "ORCH_SWEEP": "worker's", "ORCH_RUN_DIR": r.Dir, "ORCH_RUN_ID": "r1",
		"ORCH_RUN_NAME": "c=1", "ORCH_SEED": "7", "ORCH_THREADS": "3", "ORCH_RESUME": "", "ORCH_CKPT_DIR": filepath.Join(r.Dir, "ckpt"),
		"ORCH_METRICS": filepath.Join(r.Dir, "metrics.jsonl"), "ORCH_CONFIG": filepath.Join(r.Dir, "config.toml"), "PWD": r.Workdir,
		"PYTHONUNBUFFERED": "1", "WANDB_MODE": "offline", "ORCH_GPUS": "1,2", "ORCH_SUBMIT_DIR": r.Workdir,
	} {
		if got := getenv(env, name); got != want || !names[name] {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if names["ORCH_CONFIG_JSON"] {
		t.Error("ORCH_CONFIG_JSON leaked from an enclosing run")
	}
}

func TestUnmanagedGPUs(t *testing.T) {
	for _, tt := range []struct {
		gpus []string
		want string
	}{{nil, "from outside"}, {[]string{}, ""}} {
		t.Setenv("CUDA_VISIBLE_DEVICES", "from outside")
		r := newTrial(t, sh(`printf %s "$CUDA_VISIBLE_DEVICES"`))
		r.GPUs = tt.gpus
		if err := r.train(t); err != nil || r.out() != tt.want {
			t.Errorf("with GPUs %#v CUDA_VISIBLE_DEVICES = %q, %v, want %q", tt.gpus, r.out(), err, tt.want)
		}
	}
}

func TestFolders(t *testing.T) {
	t.Run("submit's", func(t *testing.T) {
		r := newTrial(t, sh("pwd; ls -d $ORCH_CKPT_DIR; ls $ORCH_RUN_DIR"))
		if err := r.train(t); err != nil {
			t.Fatal(err)
		}
		want := r.Workdir + "\n" + r.Dir + "/ckpt\nckpt\nlog.txt\n"
		if got := r.out(); got != want {
			t.Errorf("the program saw %q, want %q", got, want)
		}
	})
	t.Run("workdir and a relative program", func(t *testing.T) {
		r := newTrial(t, "v = 'sub'\n[task]\ncommand = ['./here']\nworkdir = '{v}'")
		if err := os.Mkdir(filepath.Join(r.Workdir, "sub"), 0o700); err != nil {
			t.Fatal(err)
		}
		writeProgram(t, filepath.Join(r.Workdir, "sub", "here"), "#!/bin/sh\npwd\n")
		if err := r.train(t); err != nil || r.out() != filepath.Join(r.Workdir, "sub")+"\n" {
			t.Errorf("Train = %v, printed %q", err, r.out())
		}
	})
	t.Run("the program's own PATH", func(t *testing.T) {
		r := newTrial(t, "[task]\ncommand = ['here']\n[task.env]\nPATH = ':.:{run_dir}/none:{run_dir}'")
		writeProgram(t, filepath.Join(r.Workdir, "here"), "#!/bin/sh\necho wrong one\n")
		writeProgram(t, filepath.Join(r.Dir, "here"), "#!/bin/sh\necho right one\n")
		if err := r.train(t); err != nil || r.out() != "right one\n" {
			t.Errorf("Train = %v, printed %q", err, r.out())
		}
	})
	t.Run("a program that moves", func(t *testing.T) {
		c := New()
		a, b := t.TempDir(), t.TempDir()
		t.Setenv("PATH", a+":"+b+":"+os.Getenv("PATH"))
		for _, dir := range []string{a, b} {
			writeProgram(t, filepath.Join(dir, "mover"), "#!/bin/sh\nexit 0\n")
			r := newTrial(t, "[task]\ncommand = ['mover']")
			if err := c.Train(t.Context(), r.Run); err != nil {
				t.Errorf("Train with the program in %s = %v", dir, err)
			}
			os.Remove(filepath.Join(dir, "mover"))
		}
	})
}

func TestConfigJSON(t *testing.T) {
	read := func(r *trial) string {
		b, _ := os.ReadFile(filepath.Join(r.Dir, configJSONFile))
		return string(b)
	}
	r := newTrial(t, "lr = 0.5\n[task]\ncommand = ['cat', '{config_json}']")
	if err := r.train(t); err != nil || !strings.Contains(r.out(), `"lr":0.5`) || read(r) != r.out() {
		t.Errorf("Train = %v, the program read %q", err, r.out())
	}
	r = newTrial(t, sh("cat $ORCH_CONFIG_JSON", "[task.env]", "ORCH_CONFIG_JSON = 'yes'"))
	if err := r.train(t); err != nil || !strings.Contains(r.out(), `"command"`) {
		t.Errorf("Train = %v, the program read %q", err, r.out())
	}
	r = newTrial(t, sh("true"))
	if err := r.train(t); err != nil || read(r) != "" {
		t.Errorf("Train = %v, config.json = %q, want none", err, read(r))
	}
}

func TestResume(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []string // in the earlier attempt
		want  string
	}{
		{"checkpoint folder", []string{"ckpt/1.pt"}, "/ckpt"},
		{"checkpoints elsewhere", []string{"ckpt/", "model.pt"}, ""},
		{"none", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old := t.TempDir()
			for _, f := range tt.files {
				if err := os.MkdirAll(filepath.Join(old, filepath.Dir(f+"x")), 0o700); err != nil {
					t.Fatal(err)
				}
				if !strings.HasSuffix(f, "/") {
					writeProgram(t, filepath.Join(old, f), "x")
				}
			}
			r := newTrial(t, "[task]\ncommand = ['sh', '-c', 'echo $ORCH_RESUME {resume}']")
			r.Resume = old
			if err := r.train(t); err != nil || r.out() != old+tt.want+" "+old+tt.want+"\n" {
				t.Errorf("Train = %v, resumes from %q, want %q", err, r.out(), old+tt.want)
			}
		})
	}
}

func TestEnviron(t *testing.T) {
	e := &environ{at: map[string]int{}}
	e.add([]string{"A=1", "B=2", "=C:=C:\\", "noequals", "B=3", "D="})
	e.unset("A")
	e.unset("A")
	e.set("B", "4")
	e.set("E", "5")
	e.unset("E")
	e.set("bad", "a\x00b")
	slices.Sort(e.list)
	if want := []string{"=C:=C:\\", "B=4", "D=", "noequals"}; !slices.Equal(e.list, want) {
		t.Errorf("environment = %q, want %q", e.list, want)
	}
}
