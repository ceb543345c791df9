package plan

import (
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// promote hands shards over to their goal's leaders, one at a time: those
// whose master leaves first, which balance never delays.
func (d *draft) promote() []Step {
	for _, leaves := range []bool{true, false} {
		for _, s := range d.aim.shards {
			if s.leader == s.master || d.lead[s.leader] != s.master || d.departs(s.master) != leaves || !leaves && (d.needRestart(s.leader) || d.willRestart()) {
				continue
			}
			if d.mayPromote(s) && (leaves || d.mayBalance(s)) {
				return []Step{d.promoteStep(s, leaves)}
			}
		}
	}
	return nil
}

// departs reports whether node i has no seat at the goal.
func (d *draft) departs(i int) bool { return d.leaving[i] || d.aim.seat[i] == nowhere }

func (d *draft) promoteStep(s *shard, leaves bool) Step {
	reason := "masters spread evenly over zones"
	if leaves {
		reason = d.name(s.master) + " leaves"
	}
	return Step{Kind: Promote, Node: d.name(s.leader), From: d.name(s.master), Shard: d.name(s.master), Reason: reason}
}

// mayPromote reports whether the leader of s can take over now. A shard
// without slots never elects, a failover loses the marks of open slots, and
// the plain handover needs a master that answers.
func (d *draft) mayPromote(s *shard) bool {
	if !d.agreed() || !d.up(s.master) || d.have[s.master] == 0 || d.openAt(s.master) {
		return false
	}
	if d.up(s.leader) && !d.synced(s.leader) {
		d.hold(Hold{
			Why: Wait, Code: NotSynced, Node: d.name(s.leader),
			Text: fmt.Sprintf("%s is not in sync with %s, so it can't take over", d.name(s.leader), d.name(s.master)),
			Lift: "it goes on when the replica has caught up",
		})
	}
	return d.synced(s.leader)
}

// mayBalance reports whether everything is calm enough for a handover that
// only evens out zones: else a node that reboots makes two other masters turn.
func (d *draft) mayBalance(s *shard) bool {
	if d.seatsUp() && d.ownersUp() && d.allSynced() {
		return true
	}
	d.hold(Hold{
		Why: Wait, Code: FailbackWaits, Node: d.name(s.leader),
		Text: fmt.Sprintf("%s should lead instead of %s, once every member that stays is up and in sync", d.name(s.leader), d.name(s.master)),
		Lift: "it goes on when they are",
	})
	return false
}

// openAt reports whether a half-moved slot has an end at master m's shard.
func (d *draft) openAt(m int) bool {
	for _, o := range d.now.Open {
		for _, end := range []string{o.At, o.Peer} {
			if i, ok := d.at[end]; ok && d.root(i) == m {
				return true
			}
		}
		if d.node(m).Slots.Has(o.Slot) {
			return true
		}
	}
	return false
}

func (s *Step) promoted(now *cluster.State) {
	n, from, ok := both(now, s.Node, s.From)
	if !ok || n.Master != from.ID {
		return
	}
	for i := range now.Nodes {
		if f := &now.Nodes[i]; f.Master == from.ID {
			f.Master = n.ID
		}
	}
	n.Slots, n.Master, n.Linked, n.Epoch = from.Slots, "", false, from.Epoch+1
	from.Slots, from.Master, from.Linked, from.Lag = slot.Set{}, n.ID, true, 0
	n.Lag, n.Keys = 0, from.Keys
}
