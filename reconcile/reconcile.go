// Package reconcile is the line from a topology to a cluster that has it:
// observe, plan, take one stage, observe again. It decides when a plan may run,
// how long to wait and when to stop; what a plan is, plan decides, and how a
// step is done, live does. It prints and logs nothing: what a pass learned is a
// Result, what happens meanwhile are Events, and both are values.
package reconcile

import (
	"context"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// Watcher is a cluster that notices by itself when a look at it is worth it.
type Watcher interface {
	// Changed has room for one message, and is nil where nothing is noticed.
	Changed() <-chan struct{}
}

// Rester is a cluster that holds more while it is worked on than it needs while
// it waits for the next look.
type Rester interface {
	// Rest gives that back. The next call of any other method gets it again.
	Rest()
}

// Rememberer is a cluster that keeps what its nodes are called.
type Rememberer interface {
	// Remember is told of a state that is as wanted, so that a node that leaves
	// the topology later is known to have been in it.
	Remember(seen cluster.State) error
}

// Measurer is a cluster that can tell what moves would take along.
type Measurer interface {
	// Measure returns seen with what was asked of the ends of moves: weights of the
	// slots, and what speaks against moving them atomically. What can't be told is
	// left unknown.
	Measure(ctx context.Context, seen cluster.State, moves []plan.Step) cluster.State
}

// Cluster is all this package can do to the world.
type Cluster interface {
	// Observe asks every member. Silence is in the state, not an error; an
	// error means that the platform itself could not be asked.
	Observe(ctx context.Context) (cluster.State, error)
	// Do carries out one stage planned at the given state. It may be cut off
	// anywhere; the next Observe shows how far it came.
	Do(ctx context.Context, seen cluster.State, stage []plan.Step, report func(plan.Progress)) error
	// Lock makes this run the only actor until unlock is called or the process
	// dies. While another run acts, holder says who, and nothing is locked.
	Lock(ctx context.Context) (unlock func(), holder string, err error)
	// Tidy puts back what Do switched on the servers for its own work.
	Tidy(ctx context.Context, seen cluster.State) error
}
