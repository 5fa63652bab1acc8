package nn

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// stream returns the source of random numbers for one purpose of a run; the
// package comment lists the purposes. Hashing makes streams independent of
// each other even for seeds that differ in one bit.
func stream(seed int64, purpose string) *rand.PCG {
	b := binary.LittleEndian.AppendUint64([]byte("orch/nn\x00"), uint64(seed))
	h := sha256.Sum256(append(b, purpose...))
	return rand.NewPCG(binary.LittleEndian.Uint64(h[:8]), binary.LittleEndian.Uint64(h[8:16]))
}
