package nn

// Each function here does the part of a loop that fills whole vectors and
// returns how many elements that is.

// vectors says whether there is assembly for this CPU. Tests clear it.
var vectors = len(kernels) > 1

// whole is n without the rest that fills no vector.
func whole(n int) int {
	if !vectors {
		return 0
	}
	return n - n%lanes
}

func reluVector(y []float32) int {
	n := whole(len(y))
	if n > 0 {
		reluAVX2(n, &y[0])
	}
	return n
}

func reluGradVector(y, g, d []float32) int {
	n := whole(min(len(y), len(g), len(d)))
	if n > 0 {
		reluGradAVX2(n, &y[0], &g[0], &d[0])
	}
	return n
}

func columnSumsVector(g, d []float32) int {
	n := whole(len(d))
	if n == 0 || len(g) == 0 {
		return 0
	}
	columnSumsAVX2(n, len(g)/len(d), &g[0], len(d), &d[0])
	return n
}

func sgdVector(u *update, w, g []float32) int {
	n := whole(min(len(w), len(g)))
	if n > 0 {
		sgdAVX2(n, &w[0], &g[0], u.constants(u.scale, u.decay, u.rate))
	}
	return n
}

func momentumVector(u *update, w, v, g []float32) int {
	n := whole(min(len(w), len(v), len(g)))
	if n > 0 {
		momentumAVX2(n, &w[0], &v[0], &g[0], u.constants(u.scale, u.decay, u.rate, u.mu))
	}
	return n
}

func adamVector(u *update, w, m, v, g []float32) int {
	n := whole(min(len(w), len(m), len(v), len(g)))
	if n > 0 {
		adamAVX2(n, &w[0], &m[0], &v[0], &g[0], u.constants(u.scale, u.decay, adamBeta1, 1-adamBeta1, adamBeta2, 1-adamBeta2,
			u.c1, u.c2, u.rate, adamEpsilon, u.keep))
	}
	return n
}

// poolVector reports whether it did the line.
func poolVector(channels int, top, bottom, y []float32) bool {
	n := len(y)
	if whole(channels) != channels || n == 0 {
		return false
	}
	_, _ = top[2*n-1], bottom[2*n-1]
	poolAVX2(channels, n/channels, &top[0], &bottom[0], &y[0])
	return true
}

func poolGradVector(channels int, top, bottom, y, g, dtop, dbottom []float32) bool {
	n := len(y)
	if whole(channels) != channels || n == 0 {
		return false
	}
	_, _, _, _, _ = top[2*n-1], bottom[2*n-1], g[n-1], dtop[2*n-1], dbottom[2*n-1]
	poolGradAVX2(channels, n/channels, &top[0], &bottom[0], &y[0], &g[0], &dtop[0], &dbottom[0])
	return true
}
