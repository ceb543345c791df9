// Package gitsync follows a git ref or a folder and hands out snapshots of the
// YAML files in it. It decides nothing about their content, knows no Redis,
// runs nothing that a repository contains and never checks one out: files are
// read from git's tree objects into memory, within caps on every quantity.
//
// A source that can't be read is an error, never an empty snapshot, and a
// snapshot without any YAML file is an error too: whoever acts on snapshots
// keeps the last good one and must not take a broken source for a wish to
// remove everything.
package gitsync

import (
	"context"
	"errors"
	"io/fs"
)

// Snapshot is the YAML files of a source at one moment. They are in memory and
// can't change under the reader.
type Snapshot struct {
	// Revision names the content: "main@sha1:<hex>" for a branch or tag,
	// "sha1:<hex>" for a commit followed by its hash, "dir@sha256:<hex>" for
	// a directory, where the hex is a digest of names and contents.
	Revision string
	// Files holds the regular files named *.yaml and *.yml, without those
	// that are hidden or below a hidden folder (names starting with a dot).
	Files fs.FS
	// Signer is who signed the commit, as the trust files call them: the
	// principals of an allowed_signers line or a PGP identity. It is empty
	// when no trust is configured.
	Signer string
}

// Source hands out snapshots. Next and Close may be called from different
// goroutines, Wake from any number of them; calls of Next wait for each other.
type Source interface {
	// Next blocks until there is a snapshot whose revision is not have, which
	// is the last one the caller saw, whether it could use it or not; ""
	// takes whatever there is. An error is about this one attempt: the caller
	// keeps the last good snapshot and calls again, and Next paces the
	// attempts itself, so calling in a loop is right. It returns ErrClosed
	// after Close and the context's error when that ends.
	Next(ctx context.Context, have string) (Snapshot, error)
	// Wake asks for a look now instead of at the next interval. It never
	// blocks, and many calls make one look.
	Wake()
	// Close ends a running Next and frees what the source holds. It is safe
	// to call twice.
	Close() error
}

// ErrClosed is returned by Next after Close.
var ErrClosed = errors.New("source is closed")

// ErrNoFiles is in the error for a source that is readable but holds no YAML
// file. It is an error because an empty source is far more often a mistake
// than a wish.
var ErrNoFiles = errors.New("no .yaml or .yml file")

// Refused is in the error for a commit that was read and is not taken, as
// a whole: it holds what is never read (a link, a pointer of git-lfs), no YAML
// file, or more than the caps allow, or it may not be trusted. The next looks
// refuse it again until the ref stands for another.
type Refused struct {
	Revision string
	Reason   string // in words without secrets
	Cause    error  // for errors.Is and errors.As only
}

func (e *Refused) Error() string { return e.Revision + ": " + e.Reason }
func (e *Refused) Unwrap() error { return e.Cause }

// refuse is the error for a revision that is not taken because of cause.
func refuse(revision string, cause error) error {
	return &Refused{Revision: revision, Reason: cause.Error(), Cause: cause}
}
