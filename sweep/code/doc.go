// Package code knows the code that a program's runs execute: the git commit
// that a folder stands at, the changes against it, and what a copy of the
// working tree consists of that later edits do not reach.
//
//	state := code.Look(ctx, dir)      // commit, dirty, the changes as a patch
//	tree, err := code.List(ctx, dir, nil, leave)
//
// A copy holds the files that git tracks or would track; without git, all but
// what tools leave behind. Everything else in its folders (data, virtual
// environments, what .gitignore names, and files that look like secrets) is
// there as a link to the original, so that programs find it. Such things can
// still change after a submit; code cannot.
package code
