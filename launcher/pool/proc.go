package pool

// envNonce is the variable by which the processes of a job are found: drawn at
// random for each job, since two results trees may choose the same key.
const envNonce = "ORCH_POOL_JOB"

// process is one that was found, and what its environment says.
type process struct {
	pid    int
	start  string
	nonce  string
	index  int
	leader bool // of its process group
}

// exit is how a child ended.
type exit struct {
	code   int
	signal string // its name, if one killed the child
	lost   bool   // nobody can tell
}
