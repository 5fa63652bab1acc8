package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"orch/launcher"
)

// memories are what all processes of this user on this host remember together of
// the machines that others use too: what was said of the user's jobs, and when.
type memories struct {
	mu   sync.Mutex
	open map[string]*launcher.Memory
}

// of returns the memory of a machine. It is kept in the user's cache folder, by
// host, since home folders are shared.
func (m *memories) of(backend, machine string) *launcher.Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == nil {
		m.open = map[string]*launcher.Memory{}
	}
	if m.open[machine] == nil {
		file := ""
		host, _ := os.Hostname()
		if dir, err := os.UserCacheDir(); err == nil && host != "" {
			sum := sha256.Sum256([]byte(machine))
			file = filepath.Join(dir, "orch", fmt.Sprintf("%s-%s-%x.json", backend, host, sum[:6]))
		}
		m.open[machine] = launcher.NewMemory(file)
	}
	return m.open[machine]
}
