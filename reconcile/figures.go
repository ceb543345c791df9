package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// figures are what was last measured, and for which moves.
type figures struct {
	state cluster.State
	moves []plan.Step
	at    time.Time
}

// measured plans, and once more with figures of what would move, where something
// would: a pass that changes nothing asks for none.
func (l *line) measured(ctx context.Context, seen cluster.State) (cluster.State, plan.Plan) {
	next := l.next(seen)
	m, ok := l.c.(Measurer)
	if !ok || len(next.Unmeasured) == 0 {
		return seen, next
	}
	if l.figures.cover(next.Unmeasured) {
		seen = seen.Measured(l.figures.state)
	} else {
		seen = m.Measure(ctx, seen, next.Unmeasured)
		l.figures = figures{seen, next.Unmeasured, time.Now()}
	}
	return seen, l.next(seen)
}

// cover says that all of some moves was measured, not in vain and not long ago.
// The looks before slots move follow each other closely, and counting keys is the
// most that they cost; what clients write in between the mover sees by itself,
// for it watches its targets' memory.
func (f figures) cover(moves []plan.Step) bool {
	const fresh = 10 * time.Second
	if time.Since(f.at) > fresh {
		return false
	}
	for _, m := range moves {
		if !slices.ContainsFunc(f.moves, func(had plan.Step) bool {
			return had.From == m.From && had.To == m.To && m.Slots.Minus(had.Slots) == slot.Set{}
		}) || f.state.Weight(m.Slots).Keys == cluster.Unknown {
			return false
		}
	}
	return true
}
