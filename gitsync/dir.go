package gitsync

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// DirOptions say how a directory is followed.
type DirOptions struct {
	Caps Caps
	// Rescan is the time between looks when nothing seems to change, because
	// events can be lost. Default 30 seconds.
	Rescan time.Duration
	// Poll does without events, for file systems that have none (NFS, FUSE,
	// some containers): the directory is read every two seconds.
	Poll bool
	// Looked is told how every look ended, also one that found nothing new. It
	// may be nil.
	Looked func(error)
}

const (
	// quiet is how long nothing must happen before a change is read, so that
	// a save of several steps is seen as one.
	quiet = 300 * time.Millisecond
	// patience bounds the wait for quiet: a busy writer must not starve us.
	patience = 2 * time.Second
	// poll is the time between looks where there are no events.
	poll = 2 * time.Second
	// settle is the time between two equal looks at a directory in which
	// something is gone: editors and tools remove a file before they write
	// it again.
	settle = time.Second
)

// dir follows a directory. Events say only that something happened; the
// truth is a full read, compared by digest.
type dir struct {
	DirOptions
	root    string
	watches *watches // nil when polling
	wake    chan struct{}

	turn    sync.Mutex // one Next at a time; guards what follows
	started bool
	failed  bool
	last    string              // the revision handed out last
	known   map[string][32]byte // and its files

	ended context.Context
	end   context.CancelFunc
}

// Dir follows a directory of this machine: its YAML files and those of its
// folders. Links to files are followed, links to folders are an error. The
// directory does not have to exist yet.
func Dir(path string, o DirOptions) (Source, error) {
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", path, err)
	}
	if o.Rescan <= 0 {
		o.Rescan = 30 * time.Second
	}
	o.Caps = o.Caps.withDefaults()
	d := &dir{DirOptions: o, root: root, wake: make(chan struct{}, 1)}
	d.ended, d.end = context.WithCancel(context.Background())
	if !o.Poll {
		// Without a watch, because the system has none left for instance,
		// the directory is polled.
		d.watches, _ = newWatches()
	}
	return d, nil
}

// Wake asks for a look now.
func (d *dir) Wake() {
	select {
	case d.wake <- struct{}{}:
	default: // one is already waiting, and one look serves all
	}
}

// Close ends a running Next and the watches.
func (d *dir) Close() error {
	d.end()
	if d.watches != nil {
		return d.watches.close()
	}
	return nil
}

// Next reads the directory when something happened in it, until that made a
// difference.
func (d *dir) Next(ctx context.Context, have string) (Snapshot, error) {
	d.turn.Lock()
	defer d.turn.Unlock()
	ctx, cancel := until(ctx, d.ended)
	defer cancel()
	for ; ; d.started = true {
		if d.started {
			if err := d.wait(ctx, have); err != nil {
				return Snapshot{}, stopped(d.ended, err)
			}
		}
		now, err := d.look(ctx, have)
		d.failed = err != nil
		if d.Looked != nil && ctx.Err() == nil {
			d.Looked(err)
		}
		if err != nil {
			d.started = true
			return Snapshot{}, stopped(d.ended, err)
		}
		if now.revision() != have {
			d.started, d.last, d.known = true, now.revision(), now.digests
			return Snapshot{Revision: d.last, Files: now.files()}, nil
		}
	}
}

// revision names a directory's content.
func (g *gathering) revision() string { return "dir@sha256:" + g.digest() }

// wait blocks until it is time to look again.
func (d *dir) wait(ctx context.Context, have string) error {
	due := time.NewTimer(d.every(have))
	defer due.Stop()
	var changed <-chan struct{}
	if d.watches != nil {
		changed = d.watches.changed
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-d.wake:
	case <-due.C:
	case <-changed:
		return untilQuiet(ctx, changed)
	}
	return nil
}

// every is the time between looks without events. A directory that couldn't
// be read is looked at often: it may be gone, and its watch with it. Who does
// not have what was handed out last gets it soon, and not in a hot loop.
func (d *dir) every(have string) time.Duration {
	if !d.failed && have != d.last {
		return min(settle, d.Rescan)
	}
	if d.failed || d.watches == nil || d.watches.partial {
		return min(poll, d.Rescan)
	}
	return d.Rescan
}

// untilQuiet waits until changes have stopped for a moment.
func untilQuiet(ctx context.Context, changed <-chan struct{}) error {
	calm := time.NewTimer(quiet)
	defer calm.Stop()
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
			calm.Reset(quiet)
		case <-calm.C:
			return nil
		case <-enough.C:
			return nil
		}
	}
}

// look reads the directory. When that fails, or files are gone or emptied
// since the last time, it reads until two reads agree: it may have come
// between two steps of somebody's save.
func (d *dir) look(ctx context.Context, have string) (*gathering, error) {
	now, err := d.read()
	if !d.doubtful(now, err, have) {
		return now, err
	}
	for {
		if err := sleep(ctx, settle); err != nil {
			return nil, err
		}
		again, errAgain := d.read()
		if (err == nil) == (errAgain == nil) && again.digest() == now.digest() {
			return again, errAgain
		}
		now, err = again, errAgain
	}
}

// doubtful reports whether a read should be confirmed by another.
func (d *dir) doubtful(now *gathering, err error, have string) bool {
	if err != nil {
		return d.started && !d.failed
	}
	return now.revision() != have && d.lost(now, have)
}

// lost reports whether a file of the last snapshot is gone or empty now. When
// the last snapshot is from before a restart, nobody can tell, and it may be.
func (d *dir) lost(now *gathering, have string) bool {
	if d.known == nil {
		return have != ""
	}
	for name, before := range d.known {
		sum, there := now.digests[name]
		if !there || sum != before && sum == emptySum {
			return true
		}
	}
	return false
}

// read reads the directory and watches what it read. Whatever changed before
// a new watch was in place is read again.
func (d *dir) read() (*gathering, error) {
	g, more, err := d.scan()
	if more {
		if g, more, err = d.scan(); more {
			d.watches.note() // folders come faster than we watch them
		}
	}
	if err != nil {
		err = fmt.Errorf("read %s: %w", d.root, err)
	}
	return g, err
}

// scan is one read. It reports whether something is watched only since then.
func (d *dir) scan() (g *gathering, more bool, err error) {
	s := scan{gathering: gather(d.Caps), dirs: map[string]bool{}}
	err = s.root(d.root)
	if err == nil && len(s.digests) == 0 {
		err = ErrNoFiles
	}
	more = d.watches != nil && d.watches.follow(s.dirs)
	return s.gathering, more, err
}
