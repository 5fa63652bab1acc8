// Package launchertest is the conformance suite of launchers: what it checks
// is what "implements launcher.Launcher" means. A backend's test file is
//
//	func TestMain(m *testing.M) { launchertest.Main(m) }
//
//	func TestLauncher(t *testing.T) {
//		launchertest.Run(t, launchertest.Suite{
//			Open: func(t testing.TB, state string) launcher.Launcher {
//				l, err := ssh.Open(ssh.Options{StateDir: state})
//				if err != nil {
//					t.Fatal(err)
//				}
//				return l
//			},
//		})
//	}
//
// The workers are the test binary itself, executed again (see [Main]), so
// nothing but Go is needed. What a machine cannot do is declared in the fields
// of [Suite], where it can be read, and not hidden in skipped tests.
package launchertest
