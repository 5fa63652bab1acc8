// Package results is the shared contract: the format of the results tree and its
// write protocol. Nobody else knows a file name in the tree. This comment is the
// specification of format 1: a reader in another language can be written from it,
// and one is (deploy/faults/testdata/recount.py).
//
// # The tree
//
// A results tree is a folder on a file system that many hosts share. It is the
// only channel between submitters, workers, collectors and reports: no server, no
// lock, no clock in common. Files are written in two ways only. Published: a
// temporary file ".t-<random>" is written and synced in the same folder, link()ed
// to its name, and the folder synced; the first writer wins, the content never
// changes. Appended: by one process, line by line. Names that begin with a dot
// are nobody's business; readers skip them.
//
//	ORCH-TREE                       published: what makes the folder a tree
//	bin/orch-<hash>                 binaries that workers run
//	bin/<hash>/orch                 link to it, by the name that programs call
//	backends/<backend>/             what launchers remember; no part of this format
//	<sweep>/
//	  plans/<n>/plan.jsonl          segment n of the plan, n = 1, 2, ...
//	  plans/<n>/sweep.toml          the sweep file as given; may be missing
//	  plans/<n>/changes.diff        what git diff said then; may be missing
//	  code/<hash>/                  copy of a working tree that programs start in, see [Sweep.KeepCode]
//	  subs/<n>/intent.json          what a Step was about to ask of a launcher; the folder gets its name with it
//	                                (its member env: what later workers inherit, NAME=value; no secrets)
//	  subs/<n>/answer.json          published: what became of it
//	  subs/<n>/...                  scripts and logs of the job
//	  followers/<n>/                the same for jobs that make a Step when the workers have ended
//	  claims/<block>.<g>            published: who holds generation g of a block
//	  claims/<block>.<g>.seal       published: what of generation g counts, for ever
//	  fences/<block>.<g>            published: generation g is being closed
//	  orders/<subject>.<n>          published: the n-th order about a run or the sweep
//	  journals/<worker>.jsonl       appended: what happened to a worker's runs
//	  journals/<worker>+<i>.jsonl   appended: its next files, after a write or fsync failed
//	  series/<worker>.jsonl         appended: metric rows
//	  observations/<host>-<x>.json  published, and removed when merged into a later one
//	  runs/<run>/<attempt>/         for people and programs; the format needs nothing in it
//	  collected/                    tables; deletable, written anew to the same bytes
//
// A sweep's name matches [A-Za-z0-9][A-Za-z0-9._-]{0,63} and is not bin, backends
// or ORCH-TREE; a folder without plans/ is no sweep. A worker's name holds no "+".
// Numbers in names have no leading zeros. Entries with other names, or that are no
// regular files, are foreign: they are reported, and hide nothing.
//
// ORCH-TREE is one JSON object: format (1; a reader refuses a greater one), id,
// created, and the times dir_cache, silence and beat in seconds, see [Settings].
//
// # Lines
//
// A line of a journal or series, and the whole content of a file in claims/,
// fences/, orders/, observations/ and of intent.json and answer.json, is one JSON
// object on one line, UTF-8, ended by a newline. Its last member is
//
//	,"sum":"xxxxxxxx"}
//
// where xxxxxxxx is the CRC-32C (Castagnoli, reflected polynomial 0x82f63b78,
// initial value and final xor 0xffffffff; the CRC of "123456789" is e3069283) of all
// bytes of the line before `,"sum":"`, in lower-case hex. A line without it, with
// another sum, or in a journal or series longer than 1 MiB is damaged: it is
// reported with its file and offset and otherwise passed over. A last line without newline is being written,
// or was torn: it is not there yet. Members that a reader does not know are skipped,
// and so are journal lines of an unknown kind. "v" in a published object is its
// format.
//
// Numbers that JSON cannot write are the strings "nan", "inf" and "-inf".
// Times in lines are Unix milliseconds, in published files RFC 3339, by the
// writer's clock: for display, never for a decision.
//
// # The plan
//
// plan.jsonl has one line a run, then the header, then the end:
//
//	{"i":"<ID>","n":"<name>","c":<base>,"g":<group>,"w":1,"d":{"<key>":<value>,...}}
//	{"k":"header","format":1,"kind":"plan",...}
//	{"k":"end","header":<bytes of the header line>,"runs":<lines before it>,"sha256":"<of all bytes before this line>"}
//
// These lines have no sum; the SHA-256 covers them. A segment that does not match
// its end is damaged, and without it the sweep cannot be read. c and g are 0 when
// missing; w says that this segment asks for an attempt of the run. The run's
// config is bases[c] of the header with each dotted key of d set. The header's
// members are those of [Header]; its kind says what the segment does:
//
//	plan    its runs are the planned ones, in place of all before
//	add     its runs join the planned ones
//	retry   its runs, planned before, get another try
//	rerun   as retry, and results of earlier tries no longer count
//
// Segments are read in the order of their numbers. The work runs (w) of each group
// of a segment are cut into blocks in the order of their lines, with W = the
// group's workers, at least 1: while any are left, let s be 1 if the group is
// single, else max(1, ceil(left/2W)); W times, take the next s runs (or what is
// left) as a block. Blocks are numbered from 0 in each group, and are called
// <segment>-<group>-<index>. The blocks in which a run is work, in the order of
// segments, are its tries.
//
// # Claims and seals
//
// A block is executed in generations 0, 1, 2, ... Generation g+1 may be claimed
// only when g is sealed, and does the runs that have no final end among what the
// seals so far count.
//
// A claim: v, block, gen, nonce, time, holder. The holder is the process, see
// [Holder]; holder.name is the worker, which names its journals. A seal: v, block,
// gen, nonce, by, self, time, class, left, and
//
//	"journals":[{"name":"<file in journals/>","upto":<offset>,"tail":["<line>",...]},...]
//
// A claim or seal whose block and gen are not those of its name is damaged. class
// says what became of runs that were begun and have no end. left, if there, is how
// many of the block's runs are without a final end; it follows from the rest.
//
// # Journals
//
// Members of a journal line, of which only k and t are always there:
//
//	k  kind       worker, start, ckpt, end, beat, mark
//	t  time
//	r  run ID     start, ckpt, end
//	b  "<block>.<generation>" under which it happened: start, ckpt, end
//	a  folder below runs/<name>/: start
//	n  step, f file in the attempt's folder: ckpt
//	c  class, d seconds, x exit code, s signal, e message, cpu seconds, rss bytes,
//	   m {"<metric>":<value>,...}, giveup true (final although its class is not): end
//	x  offset, bs ["<block>.<generation>",...]: mark
//	w  the holder; the first line of every journal: worker
//
// Members that are 0 or empty are left out, but for d of an end and x of a mark.
// The classes are [Class]; done, failed, out of memory, bad setup, no result,
// timeout, stall, cancelled and diverged are final.
//
// A line of a series: t, r, b as above, n the step, m the metrics.
//
// # What counts
//
// For each generation, from the journals and its seal:
//
//   - With a seal, exactly what it says: for each of its journals, the intact lines
//     of this generation (b) in that file that begin before upto, and then the lines
//     of tail, which are complete lines as in a journal, with their sums.
//   - Without a seal, the intact lines of this generation that begin before the
//     greatest x of all mark lines of the same file whose bs has this generation.
//   - A fence changes nothing.
//   - A seal that counts more of a journal than can be seen is not there yet: its
//     reader's host has an old view of the journal. If that stays so for longer
//     than views may be old, the journal is damaged.
//
// Nothing else counts: not what stands in a journal beyond these, not what lies in
// runs/. Read the journals first and list the claims after, so that no seal is
// missed on which something read depends. Counts under a seal are for ever; counts
// by marks alone are early: another host may see them later, never differently.
//
// In a generation, a run's start is the first counted one, its checkpoint the last,
// its end the first (a worker whose journal failed writes lines again into the
// next file). A run is done if in any of its tries, from the last rerun on, a
// generation counts an end of class done; the first such end has its metrics. Else
// it has failed, with the end's class, if its last try has a final end. Rows of a
// series belong to an attempt by r and b: those of the counted attempt count.
//
// An order: v, action (cancel, hold, go, count), subject (a run's ID, "sweep", or
// "error-..." for count), number, cause, by, time. For each subject the one with
// the greatest number holds; cancel and hold keep a run from starting.
//
// # Writing
//
// The rules that writers keep, and why, are at [Journal.Mark], [Sweep.Fence],
// [Sweep.SealDead] and [Journal.Seal]; model/protocol.pml states them as a model
// that is checked against every order of events. In short: a holder marks in the
// order fsync, list the fences, append the mark; a taker fences, waits twice the
// time that a listing may be old (not if death is proven), reads the holder's
// journals to the end, and seals with copies of all that lies beyond the marks;
// everyone goes by the seal that won.
package results
