package plan

import (
	"fmt"
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// resetFounders blanks live replicas that shall found a shard of their own,
// where nodes that hold nothing do not suffice. They are met again afterwards.
func (d *draft) resetFounders() []Step {
	if d.aim.frozen {
		return nil
	}
	var out []Step
	gone := map[int]int{}
	for _, s := range d.aim.shards {
		if i := s.founderNode(d); i != nowhere && d.mayForget(i) && d.redundant(i, gone) {
			out = append(out, Step{Kind: Reset, Node: d.name(i), Shard: d.name(d.root(i)), Reason: "it founds a shard of its own"})
		}
	}
	return out
}

// founderNode is the live replica that shall found s, or nowhere.
func (s *shard) founderNode(d *draft) int {
	if s.fresh && d.lead[s.master] != itself && d.have[s.master] == 0 {
		return s.master
	}
	return nowhere
}

// forgetReplicas removes the replicas that leave, and all that is dead, at once:
// the masters are up and keep their slots, so nothing is on them alone. The last members
// of a drained shard go in this class, its master in the next, because a
// replica can't forget its master.
func (d *draft) forgetReplicas() []Step {
	var out []Step
	gone := map[int]int{}
	for i := range d.now.Nodes {
		if d.goes(i) && (d.lead[i] != itself || d.dead(i)) && d.mayForget(i) && d.redundant(i, gone) {
			out = append(out, d.forgetStep(i))
		}
	}
	return out
}

// forgetMasters removes emptied masters, one at a time: each removal is proven
// on a view that the one before has left complete.
func (d *draft) forgetMasters() []Step {
	for i := range d.now.Nodes {
		if d.goes(i) && d.lead[i] == itself && len(d.followers[i]) == 0 && d.have[i] == 0 && d.mayForget(i) && d.emptied(i) {
			return []Step{d.forgetStep(i)}
		}
	}
	return nil
}

// goes reports whether member i shall leave the cluster: nobody lists it any
// more, or it is listed and lost its seat.
func (d *draft) goes(i int) bool {
	n := d.node(i)
	return n.Member && !d.aim.frozen && (d.leaving[i] || n.Listed && d.aim.seat[i] == nowhere)
}

func (d *draft) forgetStep(i int) Step {
	n := d.node(i)
	step := Step{Kind: Forget, Node: n.Name, Shard: d.name(d.root(i)), Reason: "it is not listed any more"}
	switch {
	case n.Listed:
		step.Kind, step.Reason = Reset, "it has no seat and becomes a spare"
	case n.Replaced:
		step.Reason = "another node answers where it stood"
	case d.dead(i) && d.permits(i):
		step.Reason += "; it does not answer and is not reset, as allow.forget permits"
	case d.dead(i):
		step.Reason += "; nothing runs as it, so it is not reset"
	}
	return step
}

// mayForget reports whether anything may leave now. FORGET must reach every
// member that stays, or the one that missed it brings the node back.
func (d *draft) mayForget(i int) bool {
	if !d.agreed() || !d.ownersUp() || !d.unserved.Empty() || !d.mayShrink() {
		return false
	}
	for k := range d.now.Nodes {
		if n := d.node(k); n.Member && k != i && !d.up(k) && !d.dead(k) {
			if d.stranger(k) { // of the others problems tells
				d.holdDeaf(k, i)
			}
			return false
		}
	}
	return true
}

func (d *draft) holdDeaf(stranger, leaver int) {
	name := d.name(stranger)
	d.hold(Hold{
		Why: Wait, Code: NodeSilent, Node: name,
		Text: fmt.Sprintf("%s does not answer, so it can't be told to forget %s, and would bring it back", name, d.name(leaver)),
		Lift: "it goes on when it answers, or when it is out of the cluster too: CLUSTER FORGET it on every node, once you know that nothing on it is needed",
	})
}

// dead reports whether member i leaves, does not answer, and is forgotten all the
// same: another node answers where it stood; or it is a replica and nothing runs
// as it; or a person permits it. All of those leave in one stage.
func (d *draft) dead(i int) bool {
	n := d.node(i)
	if d.up(i) || n.Listed || !d.goes(i) || d.have[i] > 0 || len(d.followers[i]) > 0 {
		return false
	}
	if m := d.lead[i]; m == orphan || m >= 0 && !d.up(m) {
		return false
	}
	return n.Replaced || n.Gone && d.lead[i] != itself || n.Health == cluster.Failed && d.permits(i)
}

// permits reports whether allow.forget names node i.
func (d *draft) permits(i int) bool { return slices.Contains(d.want.Allow.Forget, d.name(i)) }

// redundant is the proof for replica i: its master is up and keeps the slots,
// or has handed the last one over, and enough synced replicas are left when i
// and those in gone have left. What does not answer must be dead.
func (d *draft) redundant(i int, gone map[int]int) bool {
	m := d.lead[i]
	if m == orphan {
		return d.emptied(i)
	}
	if !d.up(i) && !d.dead(i) {
		return false
	}
	if m == itself {
		return true
	}
	if !d.up(m) || d.shardLed(m) == nil && d.have[m] > 0 {
		return false
	}
	if d.onlyCopy(i) {
		return false
	}
	if !d.synced(i) {
		return true
	}
	if left := d.syncedOf(m) - gone[m] - 1; left < d.wanted(m) {
		d.holdUnsynced(m)
		return false
	}
	gone[m]++
	return true
}

// onlyCopy reports, and holds, that replica i has keys which its master may lack.
func (d *draft) onlyCopy(i int) bool {
	n := d.node(i)
	switch {
	case !n.Unproven || d.lead[i] < 0:
		return false
	case n.Syncing:
		d.holdUnsynced(d.lead[i])
	default:
		d.hold(OnlyCopyAt(n.Name, n.Keys, d.name(d.lead[i])))
	}
	return true
}

// OnlyCopyAt is the hold of a replica that keeps keys which its master may lack.
func OnlyCopyAt(replica string, keys int64, master string) Hold {
	return Hold{
		Why: Stuck, Code: OnlyCopy, Node: replica,
		Text: fmt.Sprintf("%s holds %s and %s, its master, is not proven to have them: they may be the only copy", replica, keysText(keys), master),
		Lift: "save what is needed of them, then mend its link to " + master + " (a sync replaces them), or empty " + replica + " yourself",
	}
}

func (d *draft) holdUnsynced(m int) {
	d.hold(Hold{
		Why: Wait, Code: NotSynced, Node: d.name(m),
		Text: fmt.Sprintf("too few replicas of %s are in sync to take one away", d.name(m)),
		Lift: "it goes on when they have caught up",
	})
}

// emptied is the proof for a node on its own: it answers itself that it owns
// no slot and holds no key in any database.
func (d *draft) emptied(i int) bool {
	n := d.node(i)
	if !d.up(i) {
		return false // problems tells
	}
	if n.Keys == 0 && d.have[i] == 0 {
		return true
	}
	d.hold(Hold{
		Why: Stuck, Code: NotEmpty, Node: n.Name,
		Text: fmt.Sprintf("%s owns no slot and still holds %s, so it is not removed", n.Name, keysText(n.Keys)),
		Lift: "look at the keys there; it goes on when they are gone",
	})
	return false
}

func keysText(keys int64) string {
	if keys < 0 {
		return "an unknown number of keys"
	}
	return plural(int(keys), "key")
}

func (s *Step) forgotten(now *cluster.State) {
	n := find(now, s.Node)
	if n == nil {
		return
	}
	n.Member, n.Master, n.Slots, n.Epoch, n.Gone, n.Replaced = false, "", slot.Set{}, 0, false, false
	n.UnknownAt, n.Unreached, n.Misled, n.Moved, n.Linked, n.Ready, n.Unproven = nil, nil, nil, false, false, false, false
	if n.Health == cluster.Up {
		n.Keys = 0
	}
}
