// Package follow keeps clusters the way a source says, for as long as it runs:
// it takes each snapshot of the source, keeps what was last good, remembers it
// across restarts, and lets reconcile do the rest. It serves nothing and prints
// nothing but log lines; what it knows is on a Board.
package follow

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/slotwright/slotwright/gitsync"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// Follower follows one source.
type Follower struct {
	Source gitsync.Source
	Origin Origin
	// Loop reconciles what the source wants. Its Event and Result are told
	// after the board.
	Loop   reconcile.Loop
	Memory *Memory
	Board  *Board
	Log    *slog.Logger

	book *book
	said string // the last error of the source that was logged
}

// Run follows the source until ctx ends and every cluster is at a safe boundary.
// Nothing is done before the first look at the source has ended. When it
// fails, what an earlier process remembered counts.
func (f *Follower) Run(ctx context.Context) {
	f.recall()
	f.onBoard()
	wants := make(chan []spec.Topology)
	var following sync.WaitGroup
	following.Go(func() { f.follow(ctx, wants) })
	f.Loop.Run(ctx, wants)
	following.Wait()
}

// follow hands on what the source wants, whenever it says something new.
func (f *Follower) follow(ctx context.Context, wants chan<- []spec.Topology) {
	for have, first := "", true; ; first = false {
		s, err := f.Source.Next(ctx, have)
		switch {
		case ctx.Err() != nil || errors.Is(err, gitsync.ErrClosed):
			return
		case err == nil:
			have = s.Revision
			f.take(s)
		default:
			refused, ok := errors.AsType[*gitsync.Refused](err)
			if ok {
				have = "" // a ref that goes back to the last good commit is news, too
			}
			news := ok && f.refuse(refused)
			if !ok {
				f.unread(err)
			}
			if !news && !first {
				continue
			}
		}
		select {
		case wants <- f.wants():
		case <-ctx.Done():
			return
		}
	}
}

// Once looks at the source once and reconciles each cluster once, some at a time. The
// results are of the clusters the source wants; the error says what was wrong
// with the source itself.
func (f *Follower) Once(ctx context.Context) ([]reconcile.Result, error) {
	f.recall()
	f.onBoard()
	s, err := f.Source.Next(ctx, "")
	refused, ok := errors.AsType[*gitsync.Refused](err)
	switch {
	case ok:
		f.refuse(refused)
	case err != nil:
		return nil, err
	default:
		f.take(s)
	}
	results := f.pass(ctx, f.wants())
	if len(f.book.mistakes) > 0 {
		return results, f.book.mistakes
	}
	return results, nil
}

// pass reconciles every topology once.
func (f *Follower) pass(ctx context.Context, wants []spec.Topology) []reconcile.Result {
	const atOnce = 8
	results := make([]reconcile.Result, len(wants))
	turns := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i, want := range wants {
		running.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			results[i] = f.one(ctx, want)
			f.Loop.Result(results[i])
		})
	}
	running.Wait()
	return results
}

func (f *Follower) one(ctx context.Context, want spec.Topology) reconcile.Result {
	c, err := f.Loop.Connect(want)
	if err != nil {
		return reconcile.Result{Cluster: want.Name, Plan: plan.Plan{Cluster: want.Name}, Err: err}
	}
	defer reconcile.Close(c)
	return reconcile.Apply(ctx, c, want, reconcile.Options{
		Approval: f.Loop.Approval(want), Patience: f.Loop.Patience, Quiet: f.Loop.Quiet, Report: f.Loop.Event,
	})
}

// onBoard has the board hear what the lanes tell, before anybody else does.
func (f *Follower) onBoard() {
	connect, event, result := f.Loop.Connect, f.Loop.Event, f.Loop.Result
	f.Loop.Connect = func(want spec.Topology) (reconcile.Cluster, error) { f.Board.opened(want); return connect(want) }
	f.Loop.Event = func(e reconcile.Event) { f.Board.event(e); event(e) }
	f.Loop.Result = func(r reconcile.Result) { f.Board.result(r, time.Now()); result(r) }
}

// recall reads what an earlier process knew.
func (f *Follower) recall() {
	var err error
	if f.book, err = f.Memory.read(f.Origin); err != nil {
		f.Log.Warn("what was remembered is not used", "error", err)
	}
	f.Board.turn(f.book)
}

// take takes in a snapshot, tells what is new in it, and remembers it.
func (f *Follower) take(s gitsync.Snapshot) {
	before := f.book.entries
	f.book.turn(s, f.Origin, time.Now())
	log := f.Log.With("revision", s.Revision)
	if s.Signer != "" {
		log = log.With("signer", s.Signer)
	}
	log.Info("read", "source", f.Origin.Name, "clusters", len(f.wants()), "mistakes", len(f.book.mistakes))
	f.turned(log, before)
}

// refuse takes in that a revision is refused as a whole, and reports whether
// that is news.
func (f *Follower) refuse(r *gitsync.Refused) bool {
	before := f.book.entries
	f.said = ""
	if !f.book.refuse(r, f.Origin, time.Now()) {
		return false
	}
	log := f.Log.With("revision", r.Revision)
	if errors.Is(r, gitsync.ErrRewritten) {
		log = log.With("memory", f.Memory.Path())
	}
	f.turned(log, before)
	return true
}

// turned tells what a revision changed in the book, and remembers it.
func (f *Follower) turned(log *slog.Logger, before map[string]Entry) {
	for _, m := range f.book.mistakes {
		about := log
		if m.Cluster != "" {
			about = log.With("cluster", m.Cluster)
		}
		about.Error("mistake: the last good topology is kept", "mistake", m.String())
	}
	for name, e := range f.book.entries {
		if was, known := before[name]; !e.Orphaned.IsZero() && (!known || was.Orphaned.IsZero()) {
			log.Warn("orphaned: no topology names this cluster any more; it is left alone", "cluster", name)
		}
	}
	f.Board.turn(f.book)
	if err := f.Memory.write(f.book); err != nil {
		log.Error("not remembered: a restart would not know this revision", "error", err)
	}
}

// Looked notes how a look at the source ended, and tells when it can be read again.
// The source calls it while Next runs.
func (f *Follower) Looked(err error) {
	f.Board.Looked(err)
	if err == nil && f.said != "" {
		f.said = ""
		f.Log.Info("the source can be read again", "source", f.Origin.Name)
	}
}

// unread tells that the source could not be read, once for each reason.
func (f *Follower) unread(err error) {
	if text := err.Error(); text != f.said {
		f.said = text
		f.Log.Error("the source can't be read; what was last good is kept", "source", f.Origin.Name, "error", text)
	}
}

// wants are the topologies to reconcile.
func (f *Follower) wants() []spec.Topology {
	all := wanted(f.book.entries)
	for i, t := range all {
		all[i] = f.Origin.place(t)
	}
	return all
}
