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
//
// What MIGRATE costs at least, make bench says (BenchmarkLimit: three masters
// send 250 thousand keys of 128 bytes in 4096 slots to a fourth, and nobody
// asks them for anything else): on two busy cores of an AMD EPYC, Redis 7.0.15,
// 8.8 to 9.2 us of the servers' processor time a key. A move of the same keys
// takes 13 us, with the clients that write and read meanwhile. Of the
// difference about 2 us are for weighing each key, 1.6 us (100 us a slot, as a
// move of empty slots takes) for marks, counts and handing over, most of it for
// the message that SETSLOT NODE broadcasts over the cluster bus for each slot
// and every member works in, and 0.6 us for listing.
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
