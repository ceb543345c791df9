package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// line is one run on its way.
type line struct {
	c    Cluster
	want spec.Topology
	o    Options

	seen     cluster.State
	observed bool
	stale    bool // a stage was begun since the last look
	plan     plan.Plan
	figures  figures     // of what the plan moves
	begun    *plan.Plan  // the plan being carried out; what comes next is its rest
	holds    []plan.Hold // this run's own, beside the plan's

	unlock func()
	deeds  map[deed]*record
	order  []deed // of deeds, first begun first
	tried  bool   // the first stage of the plan at hand was taken already

	last   time.Time // of progress
	fails  int       // failures since then
	pauses int       // pauses since then
	tired  bool      // patience ran out
	short  error     // why the last stage came short; nil when it did not

	mu  sync.Mutex // held while reporting
	err error
}

func newLine(c Cluster, want spec.Topology, o Options) *line {
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	return &line{
		c: c, want: want, o: o, begun: o.Approval.plan,
		last: time.Now(), deeds: map[deed]*record{},
	}
}

// look observes and plans. It reports whether there is a plan to go by.
func (l *line) look(ctx context.Context) bool {
	seen, ok := l.observe(ctx)
	if !ok {
		return false
	}
	seen, next := l.measured(ctx, seen)
	if !l.observed || !alike(l.plan, next) {
		l.advance()
		l.tried = false
		l.report(Event{What: Planned, Plan: next, Seen: seen})
	}
	l.seen, l.plan, l.observed, l.stale = seen, next, true, false
	return l.mark()
}

// observe asks the cluster. A failure at the start is the end; in the middle
// of a run it is tried again, for the servers go on meanwhile.
func (l *line) observe(ctx context.Context) (cluster.State, bool) {
	for {
		seen, err := l.c.Observe(ctx)
		switch {
		case ctx.Err() != nil:
			// What was seen is worth nothing: members may look silent only
			// because nobody waited for them.
			l.stopped(ctx)
			return cluster.State{}, false
		case err == nil:
			return seen, true
		}
		err = fmt.Errorf("observe %s: %w", l.want.Name, err)
		if len(l.deeds) == 0 {
			l.err = err
			return cluster.State{}, false
		}
		if l.tooOften(err, tries) || !l.pause(ctx) {
			return cluster.State{}, false
		}
	}
}

// next is the rest of the plan that has begun, or a new one. A rest goes to
// exact targets where a new plan would call nearly even good enough: tolerance
// decides only whether moving starts.
func (l *line) next(seen cluster.State) plan.Plan {
	if l.begun != nil {
		if rest := plan.Rest(l.want, seen); rest.Continues(*l.begun) {
			return l.ownEnd(rest, seen)
		}
	}
	p := plan.Make(l.want, seen)
	if l.o.Approval.asks && p.Fingerprint() != l.o.Approval.print {
		// It may have begun in an earlier run, and be nearly even by now.
		if rest := plan.Rest(l.want, seen); rest.Fingerprint() == l.o.Approval.print && len(p.Steps) > 0 {
			p = rest
		}
	}
	return l.ownEnd(p, seen)
}

// ownEnd leaves out what settle does anyway at the end of a run that acted: what
// it switched itself it puts back itself, and nobody needs to read of it.
func (l *line) ownEnd(p plan.Plan, seen cluster.State) plan.Plan {
	if len(l.deeds) > 0 {
		p.Steps = slices.DeleteFunc(p.Steps, func(s plan.Step) bool {
			n := seen.Node(s.Node)
			return s.PutsBack() && n != nil && n.Borrowed
		})
	}
	return p
}

// refuse says why the plan at hand may not run, or nil.
func (l *line) refuse() *plan.Hold {
	if h := l.o.Approval.refuse(l.plan, l.begun); h != nil {
		return h
	}
	if l.begun == nil || !l.plan.Continues(*l.begun) {
		p := l.plan
		l.begun = &p
	}
	return nil
}

// may reports whether there are steps that may run; a hold says why not.
func (l *line) may() bool {
	if len(l.plan.Steps) == 0 || l.o.Approval.looks() {
		return false
	}
	if refusal := l.refuse(); refusal != nil {
		return l.hold(*refusal)
	}
	return true
}

// hold adds a hold of this run's own. It reports false: the run ends with it.
func (l *line) hold(h plan.Hold) bool {
	l.holds = append(l.holds, h)
	return false
}

// lock makes this run the only actor, or holds because another one is.
func (l *line) lock(ctx context.Context) bool {
	unlock, holder, err := l.c.Lock(ctx)
	switch {
	case err != nil:
		l.err = fmt.Errorf("lock %s: %w", l.want.Name, err)
		return false
	case unlock == nil:
		return l.hold(busy(holder))
	}
	l.unlock = unlock
	return true
}

func (l *line) free() {
	if l.unlock != nil {
		l.unlock()
	}
}

// take begins the first stage and waits for its end. It is cut off when
// nothing moves for what is left of the patience.
func (l *line) take(ctx context.Context) error {
	stage := l.plan.First()
	l.begin(stage)
	l.tried, l.stale = true, true
	l.report(Event{What: Began, Stage: stage})

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(l.left(), func() { cancel(errNoProgress) })
	defer watch.Stop()
	err := l.c.Do(ctx, l.seen, stage, func(p plan.Progress) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.further(p) {
			l.advance()
			watch.Reset(l.o.Patience)
		}
		l.tell(Event{What: Advanced, Progress: p})
	})
	if err == nil {
		l.finish(stage)
	} else if errors.Is(context.Cause(ctx), errNoProgress) {
		err = errors.Join(errNoProgress, err)
	}
	l.report(Event{What: Ended, Stage: stage, Err: err})
	return err
}

// settle ends a run that began steps: a last look where there was none since,
// and everything that was switched on the servers put back. It has its own
// time, for it must work after ctx ended.
func (l *line) settle(ctx context.Context) {
	if len(l.deeds) == 0 {
		l.remember()
		return
	}
	const grace = 15 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if l.stale {
		l.glance(ctx)
	}
	borrowed := slices.ContainsFunc(l.seen.Nodes, func(n cluster.Node) bool { return n.Borrowed })
	if err := l.c.Tidy(ctx, l.seen); err != nil {
		l.err = errors.Join(l.err, fmt.Errorf("put back what was switched on %s: %w", l.want.Name, err))
	} else if borrowed {
		l.glance(ctx)
	}
}

// remember has a cluster keep what it is where nothing was to be done: it may
// have been made by somebody else, and the next topology may leave a node out.
func (l *line) remember() {
	if r, ok := l.c.(Rememberer); ok && l.observed && l.err == nil && !l.o.Approval.looks() && len(l.plan.Steps)+len(l.plan.Holds) == 0 {
		_ = r.Remember(l.seen) // only a help
	}
}

// glance looks once and keeps the older picture if that fails.
func (l *line) glance(ctx context.Context) {
	if seen, err := l.c.Observe(ctx); err == nil && ctx.Err() == nil {
		l.seen, l.plan = l.measured(ctx, seen)
		l.stale = false
	}
}

func (l *line) report(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tell(e)
}

// tell needs l.mu.
func (l *line) tell(e Event) {
	if l.o.Report != nil {
		e.Cluster = l.want.Name
		l.o.Report(e)
	}
}
