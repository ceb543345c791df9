package reconcile

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// Loop reconciles clusters for ever, each in a lane of its own, so that none
// waits for another.
type Loop struct {
	// Connect opens the cluster of a topology. What it returns is closed, if it
	// has a Close, when the topology changes or a pass did not end in sync: a
	// changed password or certificate is read again with it.
	Connect func(spec.Topology) (Cluster, error)
	// Every is the time between the passes of a cluster, give or take a tenth.
	// After errors it is longer.
	Every time.Duration
	// Patience and Quiet are as in Options.
	Patience, Quiet time.Duration
	// Detect makes the lanes look and plan, and never act.
	Detect bool
	// Ask makes the lanes carry out only plans that the topology approves by
	// its allow.plan.
	Ask bool
	// Event and Result are told what happens; lanes call them at the same time.
	Event  func(Event)
	Result func(Result)
}

// Run follows wants until ctx ends, and returns when every lane has stopped.
// Each value of wants is all topologies there are. A changed one stops the run
// of its cluster at the next safe boundary and begins a new one. A cluster that
// is not among them any more is left as it is.
func (l *Loop) Run(ctx context.Context, wants <-chan []spec.Topology) {
	lanes := map[string]*lane{}
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case all, ok := <-wants:
			if !ok {
				wants = nil // no more news; the lanes go on
				continue
			}
			named := map[string]bool{}
			for _, want := range all {
				named[want.Name] = true
				if old := lanes[want.Name]; old != nil {
					old.turn(want)
					continue
				}
				lanes[want.Name] = l.open(ctx, want, &running)
			}
			for name, old := range lanes {
				if !named[name] {
					old.end()
					delete(lanes, name)
				}
			}
		}
	}
}

// lane is one cluster of a loop.
type lane struct {
	end  context.CancelFunc
	news chan struct{} // has room for one

	mu   sync.Mutex
	want spec.Topology
	stop context.CancelCauseFunc // ends the running pass
}

var errChanged = errors.New("the topology changed")

func (l *Loop) open(ctx context.Context, want spec.Topology, running *sync.WaitGroup) *lane {
	ctx, end := context.WithCancel(ctx)
	a := &lane{end: end, want: want, news: make(chan struct{}, 1), stop: func(error) {}}
	running.Go(func() { defer end(); l.follow(ctx, a) })
	return a
}

// turn gives the lane a new topology, if it is one.
func (a *lane) turn(want spec.Topology) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if same(a.want, want) {
		return
	}
	a.want = want
	a.stop(errChanged)
	select {
	case a.news <- struct{}{}:
	default:
	}
}

// same reports whether two topologies want the same, wherever they are written.
func same(a, b spec.Topology) bool {
	a.Line, b.Line = 0, 0
	return reflect.DeepEqual(a, b)
}

// begin is the context of the next pass, and what it is to reach.
func (a *lane) begin(ctx context.Context) (context.Context, spec.Topology) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.news: // it is in want already
	default:
	}
	ctx, a.stop = context.WithCancelCause(ctx)
	return ctx, a.want
}

// follow passes again and again until ctx ends.
func (l *Loop) follow(ctx context.Context, a *lane) {
	var c Cluster // opened for the topology at
	var at spec.Topology
	defer func() { Close(c) }()
	misses := 0
	for ctx.Err() == nil {
		pass, want := a.begin(ctx)
		if c != nil && !same(at, want) {
			Close(c)
			c = nil
		}
		at = want
		var r Result
		c, r = l.pass(pass, c, want)
		changed := errors.Is(context.Cause(pass), errChanged)
		a.stop(nil)
		if l.Result != nil && !changed {
			l.Result(r)
		}
		if misses++; r.Err == nil || changed {
			misses = 0
		}
		if r, ok := c.(Rester); ok {
			r.Rest()
		}
		if !changed {
			a.wait(ctx, c, l.interval(misses))
		}
		if changed || r.Sync() != InSync {
			Close(c)
			c = nil
		}
	}
}

// wait lasts until the topology changes, the cluster's nodes do, or for so long.
func (a *lane) wait(ctx context.Context, c Cluster, long time.Duration) {
	select {
	case <-ctx.Done():
	case <-a.news:
	case <-changes(c):
	case <-time.After(long):
	}
}

// changes is nil where nothing is noticed.
func changes(c Cluster) <-chan struct{} {
	if w, ok := c.(Watcher); ok {
		return w.Changed()
	}
	return nil
}

// pass opens the cluster where it is not open yet and walks the line once.
func (l *Loop) pass(ctx context.Context, c Cluster, want spec.Topology) (Cluster, Result) {
	if c == nil {
		var err error
		if c, err = l.Connect(want); err != nil {
			return nil, Result{Cluster: want.Name, Plan: plan.Plan{Cluster: want.Name}, Err: err}
		}
		changes(c) // from here on, so that nothing is missed between the look and the wait
	}
	return c, Apply(ctx, c, want, Options{
		Approval: l.Approval(want), Patience: l.Patience, Quiet: l.Quiet, Report: l.Event,
	})
}

// Approval is what may be done to a cluster.
func (l *Loop) Approval(want spec.Topology) Approval {
	switch {
	case l.Detect:
		return Nothing()
	case l.Ask:
		return Printed(want.Allow.Plan)
	}
	return Anything()
}

// interval is the pause after a pass: longer with every error in a row, up to
// sixteen times, and never the same for two lanes for long.
func (l *Loop) interval(misses int) time.Duration {
	d := l.Every << min(misses, 4)
	return d - d/10 + rand.N(d/5+1)
}

// Close ends what a cluster holds open, if it holds anything open.
func Close(c Cluster) {
	if closer, ok := c.(io.Closer); ok {
		_ = closer.Close() // nothing is lost with a connection that ends badly
	}
}
