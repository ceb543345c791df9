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
// What MIGRATE costs at least, make bench says (BenchmarkLimit, Redis 7.0.15, two
// cores, 250 thousand keys of 128 bytes in 4096 slots, and nobody asks for anything
// else): three masters send them to a fourth in 2.4 s, 16.5 us of the servers'
// processor time a key. One that sends them to three takes 5.2 s, 21 us a key one
// after the other, however many slots it is given in one go: MIGRATE waits for its
// target. A move of the same keys, with clients that write and read, takes 3.9 s and
// 5.5 s, and to grow 22 us of the servers' time a key. Of the difference 2.9 us are
// for listing and weighing (176 us a slot), 1.8 us (0.45 s for 4096 empty slots) for
// marks, counts and handing over, and 1.9 us what the same clients cost when nothing
// moves.
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
