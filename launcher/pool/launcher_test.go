package pool_test

import (
	"testing"
	"time"

	"orch/launcher"
	"orch/launcher/launchertest"
	"orch/launcher/pool"
)

func TestMain(m *testing.M) { launchertest.Main(m) }

func TestForeground(t *testing.T) {
	launchertest.Run(t, launchertest.Suite{Open: opener(pool.Options{Grace: time.Second})})
}

func TestDetached(t *testing.T) {
	launchertest.Run(t, launchertest.Suite{
		Open: opener(pool.Options{Grace: time.Second, Detach: true}), Outlives: true, Many: 50})
}

func opener(o pool.Options) func(testing.TB, string) launcher.Launcher {
	return func(t testing.TB, state string) launcher.Launcher {
		o.StateDir = state
		p, err := pool.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}
