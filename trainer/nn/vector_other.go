//go:build !amd64

package nn

// There is no assembly for this architecture: the loops do everything.

var vectors = false

func reluVector([]float32) int                        { return 0 }
func reluGradVector(_, _, _ []float32) int            { return 0 }
func columnSumsVector(_, _ []float32) int             { return 0 }
func sgdVector(_ *update, _, _ []float32) int         { return 0 }
func momentumVector(_ *update, _, _, _ []float32) int { return 0 }
func adamVector(_ *update, _, _, _, _ []float32) int  { return 0 }

func poolVector(int, []float32, []float32, []float32) bool { return false }

func poolGradVector(int, []float32, []float32, []float32, []float32, []float32, []float32) bool {
	return false
}
