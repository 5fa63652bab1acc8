package results

import (
	"fmt"
	"strconv"
	"strings"
)

// A block is the unit of claiming: consecutive work runs of one resource group
// of one segment. Its name is "<segment>-<group>-<index>".

// blockSizes returns the sizes of the blocks for n runs and w workers by
// factoring (Hummel, Schonberg and Flynn 1992, CACM 35:8): batches of w equal
// blocks, each batch half of what remains, single runs at the end. The sizes
// depend on nothing but n, w and single, so every worker computes the same.
func blockSizes(n, w int, single bool) []int {
	w = max(w, 1)
	var sizes []int
	for n > 0 {
		size := 1
		if !single {
			size = max(1, (n+2*w-1)/(2*w))
		}
		for i := 0; i < w && n > 0; i++ {
			k := min(size, n)
			sizes = append(sizes, k)
			n -= k
		}
	}
	return sizes
}

// SingleBlocks says whether a group's blocks should be single runs: while
// durations are unknown and the group is small, a wrong guess would cost more
// than the claims.
func SingleBlocks(runs, workers int, durationsKnown bool) bool {
	return !durationsKnown && runs <= 8*max(workers, 1)
}

// Block is a block of a segment: Runs are indices into [Segment.Runs].
type Block struct {
	Segment, Group, Index int
	Runs                  []int32
}

// Name returns the block's name in the tree.
func (b *Block) Name() string { return fmt.Sprintf("%d-%d-%d", b.Segment, b.Group, b.Index) }

// splitGen cuts "<block>.<generation>" in two.
func splitGen(s string) (block string, gen int, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return "", 0, false
	}
	gen, err := strconv.Atoi(s[i+1:])
	return s[:i], gen, err == nil && gen >= 0 && strconv.Itoa(gen) == s[i+1:]
}

// saneGen reports whether s names a generation that could exist: readers keep a
// view of each up to the newest, so a foreign name must not ask for a billion.
func saneGen(s string) bool {
	_, gen, ok := splitGen(s)
	return ok && gen <= maxGen
}

func genName(block string, gen int) string { return block + "." + strconv.Itoa(gen) }

// GenName returns the name of a generation of a block, "<block>.<generation>",
// as claims, records and rows use it.
func GenName(block string, gen int) string { return genName(block, gen) }
