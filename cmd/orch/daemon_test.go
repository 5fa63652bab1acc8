package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"orch/sweep/results"
)

// Two daemons side by side serve the state of a tree that another process
// fills, on sockets that only the user can reach, and leave when asked.
func TestDaemon(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("unix sockets and their modes")
	}
	root := t.TempDir()
	tree, err := results.Create(root, results.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	tree.Close()
	sockets := t.TempDir()
	socket := filepath.Join(sockets, "d.sock")
	leave := make(chan struct{})
	codes := make(chan int, 2)
	var logs [2]bytes.Buffer
	start := func(i int) {
		go func() {
			codes <- run(context.Background(), leave, []string{"orch", "daemon", "--results", root, "--socket", socket, "--every", "20ms", "--idle", "50ms"}, io.Discard, &logs[i])
		}()
	}
	start(0)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	get := func(path string) string {
		resp, err := client.Get("http://daemon" + path)
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	wait := func(what string, cond func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !cond(); {
			if time.Now().After(deadline) {
				t.Fatalf("no %s within 20 s; logs:\n%s%s", what, &logs[0], &logs[1])
			}
			time.Sleep(5 * time.Millisecond) // between looks at a condition with a deadline
		}
	}
	wait("answer", func() bool { return strings.Contains(get("/status"), "orch.status/1") })
	start(1)
	wait("second socket", func() bool { e, _ := os.ReadDir(sockets); return len(e) == 2 })
	for _, e := range must2(os.ReadDir(sockets)) {
		if st, err := e.Info(); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("socket %s has mode %v, %v; want 0600", e.Name(), st.Mode(), err)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "s.toml")
	if err := os.WriteFile(file, []byte("name = \"s\"\n[task]\ncommand = [\"true\"]\n[sweep]\ni = [1, 2, 3]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "orch")
	build(t, bin)
	runBinary(t, bin, "submit", file, "--results", root)
	wait("three runs done", func() bool {
		var s statusJSON
		return json.Unmarshal([]byte(get("/status")), &s) == nil && len(s.Sweeps) == 1 && s.Sweeps[0].Runs.Done == 3
	})
	if m := get("/metrics"); !strings.Contains(m, `orch_runs{sweep="s",state="done"} 3`) {
		t.Errorf("metrics:\n%s", m)
	}
	wait("tables", func() bool { _, err := os.Stat(filepath.Join(root, "s", "collected", "runs.csv")); return err == nil })
	close(leave)
	for range 2 {
		if code := <-codes; code != 0 {
			t.Errorf("daemon exits %d, want 0", code)
		}
	}
}

func must2[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}
