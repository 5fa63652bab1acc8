// Package launcher starts, lists and cancels workers on some machine.
package launcher
