package live

import (
	"context"
	"fmt"
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
	p := m.gather()
	defer p.letGo()
	var routes []*route
	for _, s := range steps {
		r, err := p.route(ctx, s)
		if err != nil {
			return fmt.Errorf("move %s to %s: %w", s.From, s.To, err)
		}
		routes = append(routes, r)
	}
	routes, err := p.export(ctx, routes)
	if err != nil || len(routes) == 0 {
		return err
	}
	if err := p.rank(ctx, routes); err != nil {
		return err
	}
	return p.run(ctx, routes)
}
