package live

import (
	"context"
	"errors"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// Login is what slotwright and, for MIGRATE, the nodes among themselves
// authenticate with. The zero value is no authentication. It never prints.
type Login struct{ Username, Password string }

func (Login) String() string { return "(login)" }

// mover moves slots between the masters of one cluster and closes half-moved
// ones.
type mover struct {
	dial   Dial
	seen   cluster.State
	login  Login
	budget time.Duration // migration.maxLatency: what clients may wait while slots move
	report func(plan.Progress)
}

// move carries out the Move steps of one stage, pairs in parallel.
func (m *mover) move(ctx context.Context, steps []plan.Step) error {
	return errors.New("moving slots is not built yet")
}

// close brings the half-moved slots of one Close step to their owner.
func (m *mover) close(ctx context.Context, step plan.Step) error {
	return errors.New("closing slots is not built yet")
}
