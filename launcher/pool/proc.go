package pool

// process is one that was found, and what its environment says.
type process struct {
	pid    int
	start  string
	key    string
	index  int
	leader bool // of its process group
}

// exit is how a child ended.
type exit struct {
	code   int
	signal string // its name, if one killed the child
	lost   bool   // nobody can tell
}
