// Package launcher starts, lists and cancels workers on some machine.
//
// A launcher knows workers and the jobs they come in; it never hears of runs.
// A [Request] asks for one job of n equal workers; [Launcher.Jobs] says what
// the machine knows of all of them; [Launcher.Cancel] ends jobs. Everything
// else (which runs a worker takes, whether a dead one is replaced) is decided
// elsewhere from what is written down, so a launcher may be killed and opened
// again at any moment.
//
// # Names
//
// What users type is the name of a config file (`--launcher=slurmgpu`). The
// file names a backend, and carries two kinds of keys: common ones, decoded
// here into a [Spec], and the backend's own, which only it understands:
//
//	# configs/launcher/joblib.toml
//	backend = "pool"      # which Go package does it
//	threads = 1           # common: CPU threads a run may use
//	mem     = "2G"        # common
//	n_jobs  = -1          # pool's own
//
// # A new backend in ten lines
//
// A backend is one package with a type of three methods and one value:
//
//	package ssh
//
//	var Backend = launcher.Backend{
//		Name: "ssh",
//		Keys: []string{"hosts"},                            // its own keys; all others are refused with a hint
//		Check: func(options map[string]any) []error { ... }, // are their values right? asked before anything starts
//		Open: func(ctx context.Context, s launcher.Setup) (launcher.Launcher, error) { ... },
//	}
//
//	func (l *SSH) Submit(ctx context.Context, req launcher.Request) (string, error) { ... }
//	func (l *SSH) Jobs(ctx context.Context) ([]launcher.Worker, error)              { ... }
//	func (l *SSH) Cancel(ctx context.Context, ids ...string) error                  { ... }
//
// One more line adds it to the [Registry] in cmd/orch. It is finished when
//
//	func TestMain(m *testing.M)     { launchertest.Main(m) }
//	func TestLauncher(t *testing.T) { launchertest.Run(t, launchertest.Suite{Open: ...}) }
//
// passes with the race detector: that suite is the definition of "implements
// the interface". What a backend can do beyond the three methods is an optional
// interface found by [As]: [Sizer], [Notifier], io.Closer.
package launcher
