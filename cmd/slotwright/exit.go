package main

import (
	"errors"
	"fmt"

	"github.com/slotwright/slotwright/reconcile"
)

// exit is the exit code of a run. The codes are the same for every verb.
type exit int

// The exit codes.
const (
	exitOK      exit = 0 // as wanted; plan: also when there are changes
	exitError   exit = 1 // an error, or bad usage
	exitChanges exit = 2 // plan --detailed-exitcode: changes are pending
	exitHeld    exit = 3 // something is left undone on purpose; the reason is printed
)

// Error makes a code that is not 0 returnable; everything to say about it has
// been printed already.
func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// codeOf is the exit code an error of a verb stands for.
func codeOf(err error) exit {
	var code exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return code
	}
	return exitError
}

// err is nil for code 0.
func (e exit) err() error {
	if e == exitOK {
		return nil
	}
	return e
}

// worse orders codes: an error outweighs a hold, a hold outweighs changes.
func worse(a, b exit) exit {
	rank := map[exit]int{exitOK: 0, exitChanges: 1, exitHeld: 2, exitError: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// codeAfter is the exit code of one cluster after a run.
func codeAfter(r reconcile.Result) exit {
	switch {
	case r.Err != nil:
		return exitError
	case len(r.Plan.Holds) > 0:
		return exitHeld
	}
	return exitOK
}

// fault is an error with a hint: what the reader can do about it.
type fault struct {
	text, hint string
	cause      error
}

func (f fault) Error() string { return f.text }
func (f fault) Unwrap() error { return f.cause }
