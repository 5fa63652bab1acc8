package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"orch/sweep/compose"
	"orch/sweep/dispatch"
	"orch/sweep/override"
)

// Exit codes, for every command; `orch help` prints them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitSomeFailed  = 3
	exitNotMet      = 4
	exitTimeout     = 5
	exitInterrupted = 130
)

const exitHelp = "Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 some runs failed, 4 criterion not met, 5 wait timed out, 130 interrupted."

// codeError carries an exit code with an error, or without any message.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// usage marks an error as the user's: exit code 2.
func usage(format string, args ...any) error {
	return &codeError{exitUsage, fmt.Errorf(format, args...)}
}

// asUsage is usage for an error that exists.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return &codeError{exitUsage, err}
}

// quiet ends the program with a code and no message.
func quiet(code int) error { return &codeError{code: code} }

// exitCode maps an error to the program's exit code and prints it: the one
// place where both happen.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	var coded *codeError
	var config *compose.Error
	var grammar *override.Error
	switch {
	case errors.As(err, &coded):
		code = coded.code
		if coded.err == nil {
			return code
		}
	case errors.Is(err, context.Canceled): // what it was at says nothing to who pressed Ctrl-C
		code, err = exitInterrupted, errors.New("interrupted: left at once; the same command goes on from what was saved")
	case errors.Is(err, dispatch.ErrInterrupted):
		code = exitInterrupted
	case errors.As(err, &config), errors.As(err, &grammar):
		code = exitUsage
	}
	hint := ""
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		hint = "\norch: what was counted stays counted; make room, and type the same command again"
	}
	var call *os.SyscallError
	if errors.As(err, &call) && call.Syscall == "getwd" {
		hint = "\norch: the folder that this shell is in does not exist any more: cd to one that does"
	}
	fmt.Fprintf(stderr, "orch: %s%s\n", strings.TrimRight(err.Error(), "\n"), hint)
	return code
}
