package plan

import (
	"fmt"
	"maps"
	"slices"

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

// movesFrom are the moves out of one master, by receiving shard.
func (d *draft) movesFrom(from int) []Step {
	left := d.node(from).Slots
	if s := d.shardLed(from); s != nil {
		left = left.Minus(s.slots)
	}
	byShard := map[int]*slot.Set{}
	for n := range left.Each() {
		k := d.aim.owner[n]
		if k < 0 {
			continue
		}
		if byShard[k] == nil {
			byShard[k] = new(slot.Set)
		}
		byShard[k].Add(n)
	}
	var out []Step
	for _, k := range slices.Sorted(maps.Keys(byShard)) {
		out = append(out, d.moveTo(d.aim.shards[k], from, *byShard[k]))
	}
	return out
}

// moveTo is the move of slots from a master to the shard s.
func (d *draft) moveTo(s *shard, from int, slots slot.Set) Step {
	m := Step{Kind: Move, From: d.name(from), To: d.name(s.master), Slots: slots, Shard: d.name(s.master), Reason: d.whyMove(from, s)}
	w := weigh(&d.now, d.node(from), slots)
	m.Keys, m.Bytes = w.Keys, w.Bytes
	m.Engine, m.EngineReason = EngineFor(d.node(from), d.node(s.master))
	m.ETA = ETA([]Step{m})
	return m
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

// weigh is what slots hold at the node that owns them: what was measured, else
// the part of what the node holds that falls to them by keys or, where those were
// not counted either, by slots.
func weigh(now *cluster.State, owner *cluster.Node, slots slot.Set) cluster.Weight {
	w := now.Weight(slots)
	if w.Keys == cluster.Unknown {
		n, all := int64(slots.Len()), int64(owner.Slots.Len())
		return cluster.Weight{Keys: share(owner.Keys, n, all), Bytes: share(owner.Memory.Dataset, n, all)}
	}
	if w.Bytes == cluster.Unknown {
		w.Bytes = share(owner.Memory.Dataset, w.Keys, max(owner.Keys, w.Keys))
	}
	return w
}

// share is the n-th part of all of a total.
func share(total, n, all int64) int64 {
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

// ready holds moves to masters that are not members yet, or that should have
// replicas and have none in sync: keys would go from a shard that keeps copies
// to one that has none. Replicas that can only come after the move, because
// they still serve elsewhere, are not waited for.
func (d *draft) ready(moves []Step) bool {
	ok := true
	for _, m := range moves {
		to := d.at[m.To]
		if !d.up(to) || !d.node(to).Member || d.lead[to] != itself {
			return false
		}
		if d.syncedOf(to) > 0 || len(d.shardLed(to).members) == 1 {
			continue
		}
		if i := d.missing(to); i != nowhere {
			d.hold(Hold{
				Why: Wait, Code: NotSynced, Node: m.To,
				Text: fmt.Sprintf("%s has no replica in sync, so no slots move there; it waits for %s", m.To, d.name(i)),
				Lift: "it goes on when a replica has caught up",
			})
			ok = false
		}
	}
	return ok
}

// missing is a replica that the shard of master m should have by now: it
// follows and has not caught up, or it is silent or has not joined.
func (d *draft) missing(m int) int {
	for _, i := range d.shardLed(m).members {
		if i != m && (d.lead[i] == m || !d.up(i) || !d.node(i).Member) {
			return i
		}
	}
	return nowhere
}

func (s *Step) moved(now *cluster.State) {
	from, to, ok := both(now, s.From, s.To)
	if !ok {
		return
	}
	slots := s.Slots.Intersect(from.Slots)
	keys := weigh(now, from, slots).Keys
	from.Slots, to.Slots = from.Slots.Minus(slots), to.Slots.Union(slots)
	if keys > 0 && to.Keys >= 0 {
		from.Keys = max(0, from.Keys-keys)
		to.Keys += keys
	}
	if from.Slots == (slot.Set{}) {
		from.Keys = 0
	}
}
