package report

// figure is a picture of the report with its words.
type figure struct {
	name    string // of its files: fig/<name>.pdf
	caption string // with n, interval and test named, ready to paste
}

// alt is what a reader sees who does not see the picture.
func (f *figure) alt() string { return f.caption }

// plots draws the figures that the report's data allow.
func plots(r *Report) []*figure { return nil }
