package nn

// poolForward computes y, the largest of 0 and each 2x2 pixels of z. z has
// the height and width of p and some channels. NaN wins.
func poolForward(p picture, channels int, z, y []float32) {
	line := p.width * channels
	out := p.width / 2 * channels
	for i := range p.height / 2 {
		poolLine(channels, z[2*i*line:(2*i+1)*line], z[(2*i+1)*line:(2*i+2)*line], y[i*out:(i+1)*out])
	}
}

// poolBackward gives each gradient to the first of the 2x2 pixels that is the
// largest, unless y is 0 because none is above 0; all others get 0.
func poolBackward(p picture, channels int, z, y, g, dz []float32) {
	line := p.width * channels
	out := p.width / 2 * channels
	for i := range p.height / 2 {
		top, bottom := 2*i*line, (2*i+1)*line
		poolGradLine(channels, z[top:top+line], z[bottom:bottom+line], y[i*out:(i+1)*out], g[i*out:(i+1)*out],
			dz[top:top+line], dz[bottom:bottom+line])
	}
	if p.width%2 == 1 {
		for i := range p.height {
			clear(dz[(i+1)*line-channels : (i+1)*line])
		}
	}
	if p.height%2 == 1 {
		clear(dz[(p.height-1)*line:])
	}
}

// poolLine computes one line of the output from two lines of pixels.
func poolLine(channels int, top, bottom, y []float32) {
	if poolVector(channels, top, bottom, y) {
		return
	}
	for i := range y {
		at := i/channels*2*channels + i%channels
		y[i] = max(top[at], top[at+channels], bottom[at], bottom[at+channels], 0)
	}
}

// poolGradLine is poolLine backward.
func poolGradLine(channels int, top, bottom, y, g, dtop, dbottom []float32) {
	if poolGradVector(channels, top, bottom, y, g, dtop, dbottom) {
		return
	}
	for i, v := range y {
		at := i/channels*2*channels + i%channels
		right := at + channels
		dtop[at], dtop[right], dbottom[at], dbottom[right] = 0, 0, 0, 0
		switch {
		case !(v > 0):
		case top[at] == v:
			dtop[at] = g[i]
		case top[right] == v:
			dtop[right] = g[i]
		case bottom[at] == v:
			dbottom[at] = g[i]
		case bottom[right] == v:
			dbottom[right] = g[i]
		}
	}
}
