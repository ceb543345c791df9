package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// DefaultPatience is how long a run goes on without progress unless told
// otherwise.
const DefaultPatience = 5 * time.Minute

// Options of a run.
type Options struct {
	Approval Approval
	// Patience is how long a run goes on without progress: a plan that got
	// shorter, or a step that came further. Zero or less is DefaultPatience.
	Patience time.Duration
	// Quiet is how long everything must have been the same before a run that
	// nobody watches begins with bringing masters back to where they were
	// before a failover. Zero is not to wait: a person approved it.
	Quiet time.Duration
	// Report is told what happens, one event at a time. It may be nil.
	Report func(Event)
}

// Once makes one pass: it observes, plans and takes at most one stage, if that
// is approved. With Nothing approved it changes nothing and takes no lock.
func Once(ctx context.Context, c Cluster, want spec.Topology, o Options) Result {
	l := newLine(c, want, o)
	defer l.free()
	if l.look(ctx) && l.may() && l.lock(ctx) && l.look(ctx) && l.may() {
		l.attempt(ctx, 1)
		l.settle(ctx)
	}
	return l.result()
}

// Apply walks to the end: it takes stage after stage, observing before each,
// until nothing is left, only holds that time won't lift are left, nothing
// moved for Patience, or ctx ends. Whatever the end, servers get back what was
// switched on them, and the cluster may be reconciled again from where it is.
func Apply(ctx context.Context, c Cluster, want spec.Topology, o Options) Result {
	l := newLine(c, want, o)
	defer l.free()
	for l.look(ctx) && l.onward(ctx) {
	}
	l.settle(ctx)
	return l.result()
}

// onward does what the plan at hand allows: the first stage, or waiting. It
// reports whether to look again.
func (l *line) onward(ctx context.Context) bool {
	switch {
	case l.o.Approval.looks():
		return false
	case len(l.plan.Steps) > 0 && l.tried:
		// The same stage was just taken and is still wanted: the servers may
		// need a moment, or it failed.
		l.tried = false
		return l.pause(ctx)
	case l.tooFresh() && l.o.Quiet >= l.o.Patience:
		return l.hold(l.tooShort())
	case l.tooFresh():
		return l.pause(ctx)
	case len(l.plan.Steps) > 0:
		if refusal := l.refuse(); refusal != nil {
			return l.doubts() && l.wait(ctx) || l.hold(*refusal)
		}
		if l.unlock == nil {
			// Another run may have acted between the look and the lock.
			return l.lock(ctx)
		}
		return l.attempt(ctx, tries)
	case l.waits():
		return l.wait(ctx)
	}
	if !l.unready() {
		return false
	}
	l.pauses = 0 // a new master serves after 5 s at the latest: not worth backing off
	return l.pause(ctx)
}

// wait says what is waited for, and pauses.
func (l *line) wait(ctx context.Context) bool {
	l.report(Event{What: Waiting, Plan: l.plan})
	return l.pause(ctx)
}

// agreement is how long members may need to agree after a change. Gossip takes
// about half of cluster-node-timeout, 15 s by default.
const agreement = 30 * time.Second

// doubts reports whether a plan that nobody approved may be one only because
// the members have not agreed yet: right after a node was met, some know it and
// some do not, and a plan made then mends what mends itself.
func (l *line) doubts() bool {
	return l.waits() && time.Since(l.last) < min(agreement, l.o.Patience)
}

// unready reports whether this run changed the cluster and a member does not
// serve yet: clients would be told CLUSTERDOWN although nothing is left to do.
func (l *line) unready() bool {
	if len(l.deeds) == 0 || time.Since(l.last) >= min(agreement, l.o.Patience) {
		return false
	}
	return slices.ContainsFunc(l.seen.Nodes, func(n cluster.Node) bool {
		return n.Listed && n.Member && n.Health == cluster.Up && !n.Ready
	})
}

// attempt takes the first stage and reports whether to look again. A failure is
// not the end before the given number in a row: the next look tells how far the
// stage came, and what is left of it is tried again.
func (l *line) attempt(ctx context.Context, tries int) bool {
	err := l.take(ctx)
	if !errors.Is(err, errNoProgress) { // being cut off tells less than what was before
		l.short = err
	}
	switch {
	case err == nil:
		return true
	case ctx.Err() != nil:
		l.stopped(ctx)
		return false
	case errors.Is(err, errNoProgress):
		l.tired = true
		return false
	}
	if holds, all := plan.HoldsOf(err); all {
		// Trying again would meet the same.
		l.holds = append(l.holds, holds...)
		return false
	}
	return !l.tooOften(err, tries)
}

// waits reports whether time can lift one of the holds.
func (l *line) waits() bool {
	for _, h := range l.plan.Holds {
		if h.Why == plan.Wait {
			return true
		}
	}
	return false
}
