// Package sweep turns an experiment, written down in TOML, into its plan: the
// list of runs that will answer it.
//
// # The words
//
//	sweep     an experiment: one base config and what varies in it
//	axis      a key that varies, with its values in order: seed = [0, 1, 2]
//	run       one point of the sweep: every axis at one value; the smallest
//	          unit that gives a set of results
//	plan      the runs of a sweep in order, each with a name: a pure function of
//	          the sweep file, the config folder and the overrides
//	base      a composed and resolved config that many runs share; there is one
//	          for each set of config group options (model=net2, model=net5)
//	delta     what a run has other than its base: the swept keys, and values
//	          computed from them
//	group     the runs that ask for the same resources: one resolved [launcher]
//	          table. Jobs are submitted a group at a time
//	identity  24 hexadecimal digits of the hash of a run's whole resolved config,
//	          volatile keys left out. Two runs that compute the same have the
//	          same identity, whatever the file or the day; see [Identity]
//	volatile  keys that say how a run is executed, not what it computes:
//	          launcher, threads, an absolute data folder; see [Volatile]
//
// # The sweep file
//
// Every key of [sweep] is an axis but six words. A list has one value an
// element; a string may be in the grammar of overrides; anything else is one
// value. Runs are the product of the axes in the order of the file, the last
// axis fastest.
//
//	[sweep]
//	model = ["net2", "net5"]                      # options of a config group
//	seed = "range(0,5)"                           # 0 1 2 3 4
//	"training.lr" = "geomspace(1e-4, 1e-1, 4)"    # 0.0001 0.001 0.01 0.1
//	"training.epochs" = 3                         # an axis of one value
//	[sweep.training]                              # the same as "training.batch" = ...
//	batch = "choice(32,64)"
//
// Strings know a,b,c, choice(...), range(start,stop,step), glob(net*), sort,
// shuffle, tag and casts, as on the command line, and with the meaning numpy
// gives them linspace(first,last,n), geomspace(first,last,n) and
// logspace(first,last,n). An axis may name a key that no config has: a program
// under [task] takes it as {key}, a built-in trainer refuses it.
//
// The six words, all optional:
//
//	seeds = 5                                     # the axis seed = 0 1 2 3 4; or a list
//	zip = ["model", "training.epochs"]            # axes that advance together; or a list of such lists
//	exclude = [{model = "net5", seed = [3, 4]}]   # drop runs that match one of these
//	include = [{model = "net2"}, {seed = 0}]      # keep only runs that match one of these
//	samples = 20                                  # draw 20 points instead of the whole grid
//	sample_seed = 1                               # another draw; 0 if absent
//
// Zipped axes have equally many values; one with a single value holds for all.
// A condition is a value, a list of values or a string as above; numbers are
// compared by value. With samples every axis but the seed is drawn, and each
// draw is run with all seeds; interval(a,b) is then an axis too, and
// tag(log,interval(a,b)) is uniform in the exponent. An axis that is called
// like one of the words is written with a plus: "+samples" = [10, 20].
//
// Several tables follow each other, each with its own axes and words:
//
//	[[sweep]]
//	model = ["net2", "net5"]
//	[[sweep]]
//	model = "net7"
//	"training.epochs" = [3, 6]
//
// # Overrides
//
// Overrides are laid over the file: those of the environment first, then those
// of the command line, each as if it had been written there. key=value on the
// key of an axis makes that axis one value; key=1,2 (with --multirun) gives it
// other values in its place, or adds an axis behind the others; ~key takes the
// axis out. Groups are chosen before values are set, in whatever order they
// are written, so model=net2,cnn model.kernel=5 is judged for each model by
// itself. A config that brings a [sweep] of its own, such as +experiment=depth,
// sweeps also without --multirun, and +experiment=depth,width runs one after
// the other.
//
// # What a plan costs
//
// A config is composed once for each base. Values are encoded once for each
// axis; a run then costs the hash of the part of its config that comes after
// the first swept key, well under a microsecond, and 12 bytes of memory.
// [Plan.Specs] makes the rest of a run while it is written. How many runs there
// are is known before the first exists, so a product of 10^12 is refused at
// once.
//
// Measured on 22 November 2026 with go test -bench Plan ./sweep and -bench
// Process ./cmd/orch, GOMAXPROCS=1, on one of two cores of a virtual machine
// that others used too (load 6; n = 2 and 3). Plan composes a config of 40 keys,
// expands six axes, and writes the segment to a tree; the whole process is
// orch plan on the shipped train config, each run checked by the trainer:
//
//	runs         Plan       orch plan, processor time and memory
//	10,000       0.04 s     0.11 s    25 MiB
//	100,000      0.25 s     0.20 s    28 MiB
//	1,000,000    3.7  s     0.95 s    58 MiB
//	10^12        refused    0.01 s    21 MiB
//
// Nothing is read later: a worker executes what the plan says, also when
// somebody has edited the files since.
package sweep
