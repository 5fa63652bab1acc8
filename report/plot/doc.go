// Package plot draws the report's figures: thesis-grade, as vectors, without any
// program beside orch.
//
// A constructor takes plain numbers and returns a [Figure]; the same drawing
// code then makes PDF (for \includegraphics, or onto a page of a larger
// document), SVG (for web pages) and PNG (for slides):
//
//	f := plot.Curves{X: "step", Y: "loss", Lines: lines}.Figure()
//	pdf, err := f.PDF()
//
// The theme is that of a two-column paper: 3.3 inches wide, 8 point labels in
// Computer Modern, no title (the caption does that), the colours of Okabe and
// Ito, which colour-blind readers tell apart. Colour never stands alone: every
// series also has a dash pattern or a marker, for those who print in grey.
//
// gonum/plot lays out axes and text. Its own PDF canvas embeds whole fonts,
// knows Windows-1252 only and paints translucent bands grey, so that the canvas
// for PDF and SVG is ours (canvas.go); letters that Computer Modern lacks come
// from DejaVu Serif, rune by rune (fonts.go).
//
// Equal data give equal bytes. Everything is safe for concurrent use.
package plot
