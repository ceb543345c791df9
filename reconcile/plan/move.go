package plan

import (
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// move brings slots with their keys to the shards that shall serve them. No
// shard both gives and takes, so all moves run in one stage, in any order.
func (d *draft) move() []Step {
	if d.aim.frozen {
		return nil
	}
	var out []Step
	for from := range d.now.Nodes {
		if d.have[from] == 0 || d.stranger(from) || d.lead[from] != itself {
			continue
		}
		out = append(out, d.movesFrom(from)...)
	}
	if len(out) == 0 || !d.mayMove(out) {
		return nil
	}
	return out
}

func (d *draft) movesFrom(from int) []Step {
	left := d.node(from).Slots
	if s := d.shardLed(from); s != nil {
		left = left.Minus(s.slots)
	}
	if left.Empty() {
		return nil
	}
	var out []Step
	for _, s := range d.aim.shards {
		slots := left.Intersect(s.slots)
		if slots.Empty() {
			continue
		}
		step := Step{Kind: Move, From: d.name(from), To: d.name(s.master), Slots: slots, Shard: d.name(s.master), Reason: d.whyMove(from, s)}
		step.Keys = share(d.node(from).Keys, slots.Len(), d.have[from])
		step.Bytes = share(d.node(from).Memory.Dataset, slots.Len(), d.have[from])
		out = append(out, step)
	}
	return out
}

func (d *draft) whyMove(from int, to *shard) string {
	switch {
	case d.shardLed(from) == nil:
		return d.name(from) + " leaves"
	case to.fresh:
		return d.name(to.master) + " is new"
	}
	return "an even share for both"
}

// share is the part of total that n of all slots hold, if keys are spread
// evenly over them.
func share(total int64, n, all int) int64 {
	if total < 0 || all == 0 {
		return cluster.Unknown
	}
	return int64(float64(total) * float64(n) / float64(all))
}

// mayMove reports whether moving may start or go on. How many slots go where
// depends on every owner, so all moves wait for what troubles one of them.
func (d *draft) mayMove(moves []Step) bool {
	if !d.agreed() || !d.ownersUp() || !d.unserved.Empty() || len(d.now.Open) > 0 {
		return false
	}
	if d.strangeSlots() || !d.mayShrink() || !d.ready(moves) {
		return false
	}
	return d.roomFor(moves)
}

// ready holds moves to masters that are not members yet or whose replicas have
// not caught up: keys would go from a shard that keeps copies to one that has
// none.
func (d *draft) ready(moves []Step) bool {
	ok := true
	for _, m := range moves {
		to := d.at[m.To]
		if !d.up(to) || !d.node(to).Member || d.lead[to] != itself {
			return false
		}
		if len(d.followers[to]) > 0 && d.syncedOf(to) == 0 && len(d.shardLed(to).members) > 1 {
			d.hold(Hold{
				Why: Wait, Code: NotSynced, Node: m.To,
				Text: fmt.Sprintf("no replica of %s is in sync, so no slots move there", m.To),
				Lift: "it goes on when a replica has caught up",
			})
			ok = false
		}
	}
	return ok
}

func (s *Step) moved(now *cluster.State) {
	from, to, ok := both(now, s.From, s.To)
	if !ok {
		return
	}
	slots := s.Slots.Intersect(from.Slots)
	keys := share(from.Keys, slots.Len(), from.Slots.Len())
	from.Slots, to.Slots = from.Slots.Minus(slots), to.Slots.Union(slots)
	if keys > 0 && to.Keys >= 0 {
		from.Keys -= keys
		to.Keys += keys
	}
	if from.Slots == (slot.Set{}) {
		from.Keys = 0
	}
}
