# shellcheck shell=bash
# The rows about Slurm of deploy/bench, which sources this file. Each cluster is
# a real one, started by deploy/slurm-dev for the row.

slurm_up() { # NAME OPTION...
	local name=$1
	shift
	clusters+=("$name")
	deploy/slurm-dev up --name "$name" "$@" >"$scratch/$name.up" 2>&1 || { cat "$scratch/$name.up" >&2; return 1; }
	eval "$(deploy/slurm-dev env --name "$name")"
}

slurm_down() {
	local name
	for name in "${clusters[@]}"; do deploy/slurm-dev down --name "$name" >/dev/null 2>&1 || true; done
	clusters=()
}

# slurm_sweep FILE NAME N WORKERS MORE writes a sweep of programs that do nothing.
slurm_sweep() {
	printf 'name = "%s"\n[task]\ncommand = ["/bin/true"]\n[sweep]\nx = "range(0,%d)"\n[launcher]\nname = "slurm"\nworkers = %d\nmem = "200M"\ntime = "30m"\n%s\n' "$2" "$3" "$4" "${5:-}" >"$1"
}

# slurm_queued NAME is how many array tasks of this name wait or run.
slurm_queued() { squeue -h -r -n "$1" -t PD,R,CG,CF -o %i | wc -l; }

# rpcs KIND... is how many calls of these kinds the controller has served.
rpcs() {
	local kind
	for kind in "$@"; do sdiag 2>/dev/null | sed -n "s/^[[:space:]]*$kind[[:space:]]*([[:space:]]*[0-9]*) *count:\([0-9]*\).*/\1/p" | head -1; done | awk '{n += $1} END {print n+0}'
}

slurm() {
	if ! command -v sbatch >/dev/null || ! { command -v slurmctld || [ -x /usr/sbin/slurmctld ]; } >/dev/null; then
		row "Slurm" "not measured: apt-get install slurm-wlm munge" ""
		return
	fi
	clusters=()
	export ORCH_CLUSTER=none
	# What orch remembers of the controller must not help it from one round to the next.
	forget() { rm -rf "$scratch/cache"; export XDG_CACHE_HOME=$scratch/cache; }
	slurm_thousand
	slurm_step
	slurm_many
	slurm_down
}

# 1,000 runs on 4 slots, beside a bare array of 4 empty tasks.
slurm_thousand() {
	local n=1000 i k before work where
	in_memory
	say "Slurm: 1,000 programs that do nothing on 4 slots"
	slurm_up benchs --nodes 2
	printf '#!/bin/sh\n' >"$scratch/empty.sh"
	slurm_sweep "$scratch/k.toml" k $n 4
	slurm_sweep "$scratch/one.toml" k $n 4 'extra = ["--begin=now+3600"]'
	for i in $(seq "$rounds"); do
		# submit: until it returns, with sbatch's answer
		forget # and the first one in a new tree also copies the binary there
		fresh
		"$rig" time "$orch" submit "$scratch/one.toml" --results="$work/r" --name "first" >>"$scratch/s.first"
		for k in 1 2 3; do
			forget
			"$rig" time "$orch" plan "$scratch/one.toml" --results="$work/r" --name "p$k" >>"$scratch/s.plan"
			"$rig" time "$orch" submit "$scratch/one.toml" --results="$work/r" --name "s$k" >>"$scratch/s.submit"
			"$rig" time sbatch --parsable -o /dev/null --begin=now+3600 --array=0-3 --mem=200M -t 30 -J "bare$i" "$scratch/empty.sh" >>"$scratch/s.sbatch"
		done
		scancel -u "$(id -un)"
		# all done and collected
		fresh; forget
		before=$(rpcs REQUEST_SUBMIT_BATCH_JOB)
		"$rig" time "$orch" submit "$scratch/k.toml" --results="$work/r" --wait >>"$scratch/s.orch"
		echo $(($(rpcs REQUEST_SUBMIT_BATCH_JOB) - before)) >>"$scratch/s.calls"
		[ "$("$orch" status k --results="$work/r" --json | grep -o '"done":[0-9]*' | head -1)" = "\"done\":$n" ] || { echo "not all are done" >&2; return 1; }
		"$rig" time bash -c 'sbatch --parsable -o /dev/null --array=0-3 --mem=200M -t 30 -J "all$1" "$2" >/dev/null; until [ -z "$(squeue -h -n "all$1" -t PD,R,CG,CF)" ]; do sleep 0.05; done' _ "$i" "$scratch/empty.sh" >>"$scratch/s.bare"
	done
	local sbatch plan submit
	sbatch=$(median 1 <"$scratch/s.sbatch") plan=$(median 1 <"$scratch/s.plan") submit=$(median 1 <"$scratch/s.submit")
	row "Slurm: sbatch of a bare array of 4" "$(num "$sbatch") ms" "the floor"
	row "Slurm: orch submit of 1,000 runs on 4 slots, until it returns, without what orch plan takes ($(num "$plan") ms; the first submit in a tree $(num "$(median 1 <"$scratch/s.first")") ms)" \
		"$(num "$(awk -v a="$submit" -v b="$plan" 'BEGIN {print a-b}')") ms, $(num "$(awk -v a="$submit" -v b="$plan" -v c="$sbatch" 'BEGIN {print (a-b)/c}')") of the floor" "<= 3"
	row "Slurm: a bare array of 4 empty tasks, from sbatch until all are gone" "$(num "$(median 1 <"$scratch/s.bare" | awk '{print $1/1000}')") s" "beside"
	row "Slurm: 1,000 x /bin/true on 4 slots (2 nodes), submit until all are done and collected, $where" \
		"$(num "$(median 1 <"$scratch/s.orch" | awk '{print $1/1000}')") s, $(median 1 <"$scratch/s.calls") sbatch" "< 6 s, 1"
	slurm_down
}

# A Step while 10,000 array tasks are in the queue.
slurm_step() {
	local i
	say "Slurm: a Step over 10,000 array tasks"
	slurm_up bencht --nodes 2 --conf MaxArraySize=20001 --conf MaxJobCount=30000
	fresh; forget
	slurm_sweep "$scratch/w.toml" w 4 4 'extra = ["--begin=now+3600"]'
	"$orch" submit "$scratch/w.toml" --results="$work/r" >/dev/null 2>&1
	sbatch --parsable -o /dev/null --hold --array=0-9999 --mem=100M -t 30 -J orch-bench-abcdefghijklmnop "$scratch/empty.sh" >/dev/null
	for i in $(seq $((rounds * 2))); do
		"$rig" time squeue -r -h >>"$scratch/t.squeue"
		forget
		"$rig" time "$orch" collect --results="$work/r" >>"$scratch/t.step"
	done
	local squeue step
	squeue=$(median 1 <"$scratch/t.squeue") step=$(median 1 <"$scratch/t.step")
	row "Slurm: squeue -r of 10,000 array tasks" "$(num "$squeue") ms" "the floor"
	row "Slurm: a Step then (orch collect from start to end)" "$(num "$step") ms, $(num "$(per "$step" "$squeue")") of the floor" "<= 2"
	slurm_down
}

# Workers ask the controller nothing, however many runs they execute.
slurm_many() {
	local n=100000 own before begin work where
	say "Slurm: 100,000 programs that do nothing on 8 slots of 4 nodes"
	slurm_up benchm --nodes 4
	in_memory
	fresh; forget
	slurm_sweep "$scratch/m.toml" m $n 8
	own=(REQUEST_JOB_INFO REQUEST_JOB_INFO_SINGLE REQUEST_JOB_USER_INFO REQUEST_PARTITION_INFO REQUEST_NODE_INFO REQUEST_BUILD_INFO REQUEST_SUBMIT_BATCH_JOB
		REQUEST_JOB_STEP_CREATE REQUEST_STEP_COMPLETE REQUEST_UPDATE_JOB REQUEST_KILL_JOB REQUEST_CANCEL_JOB_STEP REQUEST_PING)
	begin=$(date +%s.%N)
	"$orch" submit "$scratch/m.toml" --results="$work/r" >/dev/null 2>&1
	sdiag -r >/dev/null 2>&1 || true
	before=$(rpcs "${own[@]}")
	"$orch" status m --results="$work/r" --wait --timeout=20m >/dev/null 2>&1 # reads the tree alone
	local took calls finished
	took=$(awk -v a="$(date +%s.%N)" -v b="$begin" 'BEGIN {print a-b}')
	calls=$(($(rpcs "${own[@]}") - before))
	finished=$("$orch" status m --results="$work/r" --json | grep -o '"done":[0-9]*' | head -1)
	row "Slurm: $n x /bin/true on 8 slots of 4 nodes ($where, 2 cores), submit until all are done" "$(num "$took") s ($(per "$took" $n 1000000) µs a run, ${finished#*:} done), $calls calls to the controller meanwhile" "0 calls"
	slurm_down
}
