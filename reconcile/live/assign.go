package live

import (
	"context"
	"errors"
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// assign gives slots that nobody owns to masters. ADDSLOTS is a claim: the
// server checks only its own view, and where another node owned the slot with a
// lower epoch, that one would drop its keys. So every member must answer, and
// none may know an owner, not even a dead one.
func (w *work) assign(ctx context.Context, steps []plan.Step) error {
	members, err := w.lookAll(ctx, w.whoever(steps))
	if err != nil {
		return fmt.Errorf("assign: %w", err)
	}
	byName := map[string]*look{}
	for _, m := range members {
		byName[m.name] = m
	}
	var takers []*look
	var errs []error
	takes := map[string]slot.Set{}
	done := map[string]plan.Step{}
	for _, s := range steps {
		taker := byName[s.Node]
		if err := mayTake(taker, s, members); err != nil {
			errs = append(errs, fmt.Errorf("assign slots %v to %s: %w", s.Slots, s.Node, err))
			continue
		}
		takers = append(takers, taker)
		takes[taker.self.ID], done[taker.name] = s.Slots, s
	}
	errs = append(errs, eachErr(takers, func(l *look) error { return w.claim(ctx, l, takes[l.self.ID]) }))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	err = w.agree(ctx, w.nodesOf(members), takers, func(l *look) []string {
		var missing []string
		for id, slots := range takes {
			line := l.knows(id)
			if line == nil || slots.Minus(line.Slots()) != (slot.Set{}) {
				missing = append(missing, id)
			}
		}
		return missing
	})
	if err != nil {
		return fmt.Errorf("assign: %w", err)
	}
	for _, taker := range takers {
		w.done(done[taker.name], "")
	}
	return nil
}

// whoever are the members; or, where there is no cluster yet, the only node of
// one that will have no other.
func (w *work) whoever(steps []plan.Step) []*cluster.Node {
	members := w.members()
	if n := w.seen.Node(steps[0].Node); len(members) == 0 && len(steps) == 1 && n != nil && n.Alone {
		members = append(members, n)
	}
	return members
}

// mayTake is nil when nobody, alive or dead, owns any of the step's slots in
// any member's view. Slots that the taker itself owns are no obstacle.
func mayTake(taker *look, s plan.Step, members []*look) error {
	if taker == nil {
		return errors.New("it is no member that answers")
	}
	if !taker.self.Flags.Master {
		return errors.New("it is a replica")
	}
	for _, m := range members {
		for id, line := range m.lines {
			if id == taker.self.ID || len(line.Ranges) == 0 {
				continue
			}
			if both := line.Slots().Intersect(s.Slots); both != (slot.Set{}) {
				return fmt.Errorf("%s knows %.8s as the owner of %v", m.name, id, both)
			}
		}
	}
	return nil
}

// claim sends ADDSLOTSRANGE for what the taker does not own yet.
func (w *work) claim(ctx context.Context, taker *look, slots slot.Set) error {
	ranges := slots.Minus(taker.self.Slots()).Ranges()
	if len(ranges) == 0 {
		return nil
	}
	args := []any{"CLUSTER", "ADDSLOTSRANGE"}
	for _, r := range ranges {
		args = append(args, r.First, r.Last)
	}
	if _, err := w.command(ctx, taker.addr, args...); err != nil {
		return fmt.Errorf("assign slots %v to %s: %w", slots, taker.name, err)
	}
	return nil
}
