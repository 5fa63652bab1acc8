/*
 * The write protocol of the results tree, for spin (spinroot.com): one block,
 * its holder, two takers that may believe the holder dead at any time, and
 * readers that count results. Everything that a file system may do to them
 * within the assumptions is a choice of the search, so a verdict without errors
 * covers every order of events of this size.
 *
 * The world
 *   - A block has RUNS runs. Worker 0 holds its generation 0 from the start;
 *     workers 1 and 2 take over. GENS generations may exist.
 *   - A journal per generation, a sequence of entries: REC (a run's end) or MARK
 *     (everything before it counts). What its writer has appended (written),
 *     what other hosts see (visible) and what survives the file server's power
 *     loss (durable) are three lengths of it. fsync makes all three equal;
 *     write-back may show bytes earlier.
 *   - Fences and seals are names in folders. A listing shows a new name at the
 *     latest D ticks after it was made, and may show it any time before.
 *     link() is atomic: it reports at once that the name was taken.
 *   - Time is a global tick that nobody can read; processes only know that a
 *     timer of their own has run off. Ages saturate, so the space is finite.
 *   - Workers die at any step (kill -9). With CRASH the server also loses what
 *     was visible and not durable, once the holder is dead.
 *
 * The properties, as assertions
 *   P1  no reader ever counts another execution of a run than any reader
 *       counted before, and (LOSS) what a reader counted it goes on counting
 *   P2  no reader counts a run twice
 *   P4  when nothing moves any more, every run is counted, unless the last
 *       generation's holder died too
 *
 * Each of the macros below that has a comment "wrong" is a mutant: a change of
 * the protocol that looks harmless. The test checks that each of them fails.
 */

#ifndef RUNS
#define RUNS 2          /* 1 or 2 */
#endif
#ifndef GENS
#define GENS 2
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef KILLS
#define KILLS 2         /* how many of the workers 0 and 1 may die */
#endif
#ifndef D
#define D 1             /* how many ticks a listing may be old */
#endif
#ifndef GRACE
#define GRACE (2*D)     /* wrong if below: what a taker waits after the fence */
#endif
#ifndef CHECK
#define CHECK 2         /* 2: fsync, list the fences, mark; 1, wrong: list before fsync; 0, wrong: do not look */
#endif
#ifndef ADOPT
#define ADOPT 1         /* 1: a taker's seal adopts every intact record; 0, wrong: only up to the last mark */
#endif
#ifndef TAIL
#define TAIL 1          /* 1: a seal carries copies of what lies beyond the last mark; 0, wrong: only the offset */
#endif
#ifndef FIRST
#define FIRST 1         /* 1: the first seal wins (link); 0, wrong: the last one (rename) */
#endif
#ifndef WINNER
#define WINNER 1        /* 1: a claimer goes by the seal that won; 0, wrong: by its own reading, its own offset */
#endif
#ifndef CRASH
#define CRASH 0         /* 1: the server may lose what no fsync covers */
#endif
#ifndef LOSS
#define LOSS (!CRASH)   /* an early count may go with the server's memory, until the seal brings it back */
#endif

#define REC  1
#define MARK 2
#define LEN  4                          /* RUNS records and as many marks */
#define ALL  (RUNS == 1 -> 1 : 3)       /* the set of all runs, as bits */
#define NOTYET(age)  ((age) == 0 || (age) < D+2)   /* a listing may miss it: not there, or not older than D */

byte entry[12];                         /* GENS*LEN journal entries */
byte written[GENS], visible[GENS], durable[GENS];
byte fenced[GENS], sealed[GENS];        /* age+1 of the name, 0: not there */
byte counts[GENS];                      /* content of the seal: how many records count */
byte todo[GENS];                        /* runs that a generation is to do, as bits */
byte holder[GENS];
bool claimed[GENS], left[GENS];         /* left: the holder has ended this generation in good order */
byte timer[3];                          /* age+1 of a taker's timer */
bool dead[3];
bool exhausted;                         /* the last generation's holder died: nobody can go on in this model */
byte first[2];                          /* by run: generation+1 that any reader counted first */
byte i_, j_, rec_, mark_, set_;         /* scratch, always zero between steps */

/* runs that the first n records of a generation stand for: it does its runs in order */
#define DONE(g,n) ((n) == 0 -> 0 : ((n) >= 2 -> 3 : (todo[g] == 2 -> 2 : 1)))
#define NEED(g)   (todo[g] == 3 -> 2 : (todo[g] == 0 -> 0 : 1))

/* rec_: records among the first n entries of g's journal; mark_: those that a mark covers */
inline scan(g, n) {
	rec_ = 0; mark_ = 0; i_ = 0;
	do
	:: i_ < (n) ->
		if
		:: entry[(g)*LEN+i_] == REC -> rec_++
		:: entry[(g)*LEN+i_] == MARK -> mark_ = rec_
		:: else
		fi;
		i_++
	:: else -> break
	od;
	i_ = 0
}

/* mark_: how many records count for a reader that read rec_ and mark_ in the
 * journal. With a seal exactly what it says, else what marks cover. */
inline rule(g, seal) {
	if
	:: (seal) && TAIL -> mark_ = counts[g]
	:: (seal) && !TAIL -> mark_ = (counts[g] < rec_ -> counts[g] : rec_)
	:: else
	fi;
	rec_ = 0
}

#define grow(age, max) age = ((age) > 0 && (age) < (max) -> (age)+1 : (age))
#define young(age, max) ((age) > 0 && (age) < (max))

active proctype Clock() {
end:	do
	:: d_step {
		(young(fenced[0],D+2) || young(sealed[0],D+2) || young(fenced[1],D+2) || young(sealed[1],D+2) ||
		 young(timer[1],GRACE+2) || young(timer[2],GRACE+2)) ->
		grow(fenced[0],D+2); grow(sealed[0],D+2); grow(fenced[1],D+2); grow(sealed[1],D+2);
		grow(timer[1],GRACE+2); grow(timer[2],GRACE+2)
	   }
	od
}

/* bytes of the first journal may be seen before its writer syncs them */
active proctype WriteBack() {
end:	do
	:: d_step { visible[0] < written[0] -> visible[0] = visible[0]+1 }
	od
}

#if CRASH
active proctype PowerLoss() {
end:	d_step {
		dead[0] -> written[0] = durable[0]; visible[0] = durable[0]; i_ = durable[0];
		do :: i_ < LEN -> entry[i_] = 0; i_++ :: else -> break od;
		i_ = 0
	}
}
#endif

#define append(e) entry[g*LEN+written[g]] = e; written[g] = written[g]+1
#define fsync     visible[g] = written[g]; durable[g] = written[g]

proctype Worker(byte w) {
	byte g, n;      /* the generation it is at; records it has written, or would seal */
	byte x;         /* a set of runs */
	{
	if
	:: w == 0 -> goto WORK
	:: else -> goto TAKE
	fi;

WORK:	/* holds g: does its runs, marks after each */
	if
	:: atomic { n < NEED(g) -> append(REC); n++; if :: n < NEED(g) -> goto WORK :: goto CHECKED fi }
	:: atomic { n >= NEED(g) -> goto LEAVE }
	fi;
CHECKED:
#if CHECK == 2
	atomic { fsync };
	if
	:: atomic { NOTYET(fenced[g]) -> goto COUNT }   /* the listing shows no fence */
	:: atomic { fenced[g] > 0 -> goto LEAVE }       /* it does */
	fi;
COUNT:	atomic { append(MARK); goto WORK };
#elif CHECK == 1
	if
	:: atomic { NOTYET(fenced[g]) -> goto SYNC }
	:: atomic { fenced[g] > 0 -> goto LEAVE }
	fi;
SYNC:	atomic { fsync };
	atomic { append(MARK); goto WORK };
#else
	atomic { fsync };
	atomic { append(MARK); goto WORK };
#endif
LEAVE:	/* the holder seals its own generation: at its end, or when it met a fence */
	atomic { fsync };
	atomic {
		if
		:: sealed[g] == 0 || !FIRST -> sealed[g] = (sealed[g] == 0 -> 1 : sealed[g]); counts[g] = n
		:: else
		fi;
		left[g] = 1; n = 0;
		if :: w == 0 -> goto END :: else -> goto TAKE fi
	};

TAKE:	/* looks for a generation to close. Suspicion needs no reason here: a live,
	   even a finished holder may be suspected at any time */
	atomic {
		x = 0; i_ = 0;
		do :: i_ < GENS -> if :: sealed[i_] > 0 -> x = x | DONE(i_,counts[i_]) :: else fi; i_++ :: else -> break od;
		i_ = 0; g = 0;
		do :: g < GENS-1 && claimed[g+1] -> g++ :: else -> break od;
		if
		:: x == ALL -> x = 0; goto END
		:: x == ALL && g < GENS-1 && w == 1 -> x = 0    /* a late suspicion */
		:: x != ALL && g == GENS-1 -> x = 0; goto LAST
		:: x != ALL && g < GENS-1 -> x = 0
		fi;
		if :: fenced[g] == 0 -> fenced[g] = 1 :: else fi;
		timer[w] = 1                                    /* its own, whoever made the fence */
	};
	timer[w] == GRACE+2;
	atomic {                                                /* reads the journal to its end */
		timer[w] = 0; scan(g,visible[g]);
		n = (ADOPT -> rec_ : mark_); rec_ = 0; mark_ = 0
	};
	atomic {
		if
		:: sealed[g] == 0 || !FIRST -> sealed[g] = (sealed[g] == 0 -> 1 : sealed[g]); counts[g] = n
		:: else
		fi
#if WINNER
		; n = 0
#endif
	};
	atomic {                                                /* claims the next generation */
		if
		:: !claimed[g+1] ->
			claimed[g+1] = 1; holder[g+1] = w;
#if WINNER
			x = 0; i_ = 0;
			do :: i_ <= g -> x = x | DONE(i_,counts[i_]); i_++ :: else -> break od;
			i_ = 0;
#else
			x = DONE(g,n); n = 0;
#endif
			todo[g+1] = ALL-x; x = 0; g = g+1; goto WORK
		:: else -> n = 0; goto TAKE
		fi
	};

LAST:	/* the model has no more generations: wait for the last one's end */
	if
	:: dead[holder[g]] -> exhausted = 1; goto END
	:: left[g] -> goto END
	fi
	} unless { dead[w] };
END:	skip
}

proctype Kill(byte w) { if :: dead[w] = 1 :: skip fi }

/* A reader counts again and again: journals first, the listing after. Names that
 * one host has seen it goes on seeing. */
proctype Reader() {
	byte passes, k;
	byte rec[GENS], marked[GENS], res[2], mine[2];  /* mine: what it counted before */
	bool seal[GENS];
PASS:
	if :: passes == 2 -> goto END :: else fi;
	do
	:: atomic { k < GENS -> scan(k,visible[k]); rec[k] = rec_; marked[k] = mark_; rec_ = 0; mark_ = 0; k++ }
	:: atomic { k == GENS -> k = 0; break }
	od;
	do
	:: atomic { k < GENS && sealed[k] > 0 -> seal[k] = 1; k++ }
	:: atomic { k < GENS && NOTYET(sealed[k]) && !seal[k] -> k++ }
	:: atomic { k == GENS -> k = 0; break }
	od;
	atomic {
		do
		:: k < GENS ->
			rec_ = rec[k]; mark_ = marked[k]; rule(k,seal[k]); set_ = DONE(k,mark_); mark_ = 0; rec[k] = 0; marked[k] = 0;
			if :: set_ & 1 -> assert(res[0] == 0); res[0] = k+1 :: else fi;     /* P2 */
			if :: set_ & 2 -> assert(res[1] == 0); res[1] = k+1 :: else fi;
			set_ = 0; k++
		:: else -> break
		od;
		k = 0;
		assert(first[0] == 0 || res[0] == 0 || res[0] == first[0]);                 /* P1: no other execution */
		assert(first[1] == 0 || res[1] == 0 || res[1] == first[1]);
		assert(!LOSS || mine[0] == 0 || res[0] == mine[0]);                         /* P1: not lost again */
		assert(!LOSS || mine[1] == 0 || res[1] == mine[1]);
		if :: mine[0] == 0 -> mine[0] = res[0] :: else fi;
		if :: mine[1] == 0 -> mine[1] = res[1] :: else fi;
		if :: res[0] > 0 || res[1] > 0 -> passes++ :: else fi;
		if :: first[0] == 0 -> first[0] = res[0] :: else fi;
		if :: first[1] == 0 -> first[1] = res[1] :: else fi;
		res[0] = 0; res[1] = 0;
		goto PASS
	};
END:	atomic {
		do :: k < GENS -> seal[k] = 0; k++ :: else -> break od;
		k = 0; passes = 0; mine[0] = 0; mine[1] = 0
	}
}

/* P4: when nothing moves any more, a fresh reader counts every run */
active proctype Rest() {
end:	timeout ->
	d_step {
		j_ = 0; set_ = 0;
		do
		:: j_ < GENS ->
			scan(j_,visible[j_]); rule(j_,sealed[j_] > 0);
			set_ = set_ | DONE(j_,mark_); mark_ = 0; j_++
		:: else -> break
		od;
		j_ = 0;
		assert(set_ == ALL || exhausted); set_ = 0
	}
}

init {
	atomic {
		claimed[0] = 1; todo[0] = ALL;
		run Worker(0); run Worker(1); run Worker(2);
#if KILLS > 0
		run Kill(0);
#endif
#if KILLS > 1
		run Kill(1);
#endif
#if READERS > 0
		run Reader();
#endif
#if READERS > 1
		run Reader();
#endif
	}
}
