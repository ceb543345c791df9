package live

import (
	"context"
	"fmt"
	"slices"
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

// move carries out the Move steps of one stage.
func (m *mover) move(ctx context.Context, steps []plan.Step) error {
	p := m.gather()
	defer p.letGo()
	for _, s := range steps {
		if err := p.walk(ctx, s); err != nil {
			return fmt.Errorf("move %s to %s: %w", s.From, s.To, err)
		}
	}
	return nil
}

// walk moves the slots of one step, ascending, a few open at a time.
func (p *party) walk(ctx context.Context, s plan.Step) error {
	const opened = 16
	w, err := p.pair(ctx, s.From, s.To)
	if err != nil {
		return err
	}
	done, total := 0, s.Slots.Len()
	for slots := range slices.Chunk(slices.Collect(s.Slots.Each()), opened) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.carry(ctx, slots); err != nil {
			return err
		}
		done += len(slots)
		p.report(plan.Progress{Step: s, Done: done, Total: total})
	}
	return nil
}
