// Package override reads the key=value grammar of the command line and of sweep
// axes into typed values. It is the grammar of Hydra 1.3
// (https://hydra.cc/docs/advanced/override_grammar/basic), so that the command
// lines of its users work unchanged.
//
// # Overrides
//
//	training.lr=0.1       change a value that exists
//	model=net5            or choose an option of a config group
//	+training.clip=1.0    add a key that does not exist
//	++training.clip=1.0   either way
//	~scheduler            delete a key; ~scheduler=cosine only if it has this value
//	db/engine@backup=pg   group@package: place the option of db/engine at "backup"
//	xs.0=9                an element of a list
//	callbacks=extend_list(a,b)   append to a list
//
// A key is a dotted path or a group path with slashes, of letters, digits, "_",
// "-" and "$". There is no blank before the "=".
//
// # Values
//
//	null   true   -7   2_500_000   1e-3   .5   inf   nan     typed by their form, in any case
//	net2   two words   /scratch/u1   12:30   007   déjà vu    strings
//	'a, b'   "it's"   'it\'s'                                 quoted: always a string
//	[1,a,[2]]   {lr:0.1,name:adam}                            lists and dicts
//	${train.epochs}_x                                         interpolation, resolved later
//
// Unquoted text may hold every printable character but the syntax ( ) [ ] { } , =
// quotes and "~". A backslash makes one of \ ( ) [ ] { } : = , and a blank
// literal, and stands for itself before anything else. In quotes it does so only
// before a quote. Blanks around the value and beside punctuation are dropped. An
// interpolation ends at the first "}": nested ones need quotes. Keys of dicts
// are never quoted.
//
// # Sweeps
//
// A value may stand for several:
//
//	lr=0.1,0.2                         a comma sweep
//	lr=choice(0.1)                     the same with any number of options but none
//	seed=range(5)                      0 to 4; range(start,stop,step) excludes stop
//	model=glob(net*,exclude=net7)      options of the group model
//	lr=interval(1e-5,1e-1)             for a search only: it has no list of values
//	seed=shuffle(range(5))             in an order drawn from the sweep's seed
//	lr=sort(0.2,0.1,reverse=true)      sorted; sort and shuffle take lists, too
//	lr=tag(coarse,choice(0.1,0.2))     with names that a search may look at
//	lr=float(1,2)                      int, float, bool, str convert values, lists, sweeps
//
// [Parse] gives an [Override] with either a [Value] or a [Sweep]; [Sweep.Len]
// counts without expanding, [Sweep.Values] expands, [Override.SingleRun] is the
// answer to a sweep where one value was wanted.
//
// # Differences from Hydra
//
//   - Values keep their types from the command line into the run. Hydra prints
//     each job's values and parses them again, so that str(choice(1,2)) arrives
//     as ints.
//   - Ranges count in decimal: range(0,1,0.1) is 0.0, 0.1, 0.2, 0.3, ... and
//     range(0,2.1,0.7) has three values (Hydra 1.4 does this, 1.3 does not).
//   - Any printable Unicode character may stand unquoted.
//   - A sweep inside a list, a dict or another sweep is refused when it is
//     parsed. Hydra accepts it and crashes later.
//
// Small ones: null may be an option of choice; quoted patterns may be in glob's
// lists and quoted texts in sort's; a cast keeps the tags and the shuffling of a
// sweep; the order of shuffle([list]) hangs on the text of the override alone,
// so that a run has one identity wherever it is parsed; json_str, deprecated in
// 1.4, does not exist.
//
// # Cost
//
// Parse takes 0.17 us and one allocation for training.lr=0.1, 0.7 us for
// +model=net2,net5,net7 and 1.7 us for a dict of three entries (go test -bench
// Parse, GOMAXPROCS=1, 22 November 2026, one of two shared cores).
package override
