package plan

import (
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// followBlank fills seats with nodes that hold nothing: no shard loses by it,
// so all run at once.
func (d *draft) followBlank() []Step {
	var out []Step
	for i := range d.now.Nodes {
		s := d.shardOf(i)
		if s == nil || s.master == i || !d.node(i).Member || !d.up(i) || !d.idle(i) || !d.canLead(s) {
			continue
		}
		if keys := d.node(i).Keys; keys != 0 {
			d.hold(Hold{
				Why: Stuck, Code: NotEmpty, Node: d.name(i),
				Text: fmt.Sprintf("%s owns no slot and still holds %s, so it does not become a replica", d.name(i), keysText(keys)),
				Lift: "look at the keys there; it goes on when they are gone",
			})
			continue
		}
		out = append(out, d.followStep(i, s, "its seat is in that shard"))
	}
	return out
}

// shardOf is the shard where node i has its seat; nil without one.
func (d *draft) shardOf(i int) *shard {
	if d.aim.frozen || d.aim.seat[i] == nowhere {
		return nil
	}
	return d.aim.shards[d.aim.seat[i]]
}

// canLead reports whether a node may be told to follow the master of s.
func (d *draft) canLead(s *shard) bool {
	return d.agreed() && d.up(s.master) && d.node(s.master).Member && d.lead[s.master] == itself
}

func (d *draft) followStep(i int, s *shard, reason string) Step {
	return Step{
		Kind: Follow, Node: d.name(i), To: d.name(s.master), Shard: d.name(s.master),
		Bytes: d.node(s.master).Memory.Dataset, Reason: reason,
	}
}

// followEarly gives a shard its first replica before slots move there, where
// the shard that gives can spare one.
func (d *draft) followEarly() []Step {
	for _, i := range d.strayed() {
		if s := d.shardOf(i); len(d.followers[s.master]) == 0 && d.spares(i) {
			return []Step{d.followStep(i, s, "the shard has no replica yet")}
		}
	}
	return nil
}

// followLive moves replicas between shards, one at a time and in chain order:
// first what no shard misses, then what fills the hole that the last one left.
// All at once would leave every shard of a cycle bare.
func (d *draft) followLive() []Step {
	best, rank := -1, 0
	for _, i := range d.strayed() {
		r := 2
		if d.spares(i) {
			r = 0
		} else if s := d.shardOf(i); d.syncedOf(s.master) < len(s.members)-1 {
			r = 1
		}
		if best < 0 || r < rank {
			best, rank = i, r
		}
	}
	if best < 0 {
		return nil
	}
	step := d.followStep(best, d.shardOf(best), "its seat is in that shard")
	if rank > 0 && d.syncedOf(d.root(best)) == 1 {
		step.Bare, step.Shard = true, d.name(d.root(best))
		step.Reason += "; " + step.Shard + " has no replica until another takes the place"
	}
	return []Step{step}
}

// strayed are the live replicas that belong elsewhere and may go there now.
// Each waits until those that went before are in sync.
func (d *draft) strayed() []int {
	var out []int
	for i := range d.now.Nodes {
		s := d.shardOf(i)
		if s == nil || s.master == i || d.lead[i] == itself || d.lead[i] == s.master || !d.node(i).Member {
			continue
		}
		if !d.up(i) || !d.canLead(s) || len(d.followers[i]) > 0 {
			continue
		}
		if d.onlyCopy(i) { // its place stays taken: whoever went first would leave a hole
			return nil
		}
		out = append(out, i)
	}
	if len(out) > 0 && !d.quiet("moving replicas between shards") {
		return nil
	}
	return out
}

// spares reports whether the shard of replica i keeps as many synced replicas
// as it has now or should have, whichever is less, when i leaves. A shard with
// slots to drain keeps what it has.
func (d *draft) spares(i int) bool {
	m := d.lead[i]
	if m < 0 || !d.synced(i) {
		return true
	}
	return d.syncedOf(m)-1 >= d.wanted(m)
}

// wanted is how many synced replicas master m must not fall below.
func (d *draft) wanted(m int) int {
	if s := d.shardLed(m); s != nil {
		return len(s.members) - 1
	}
	if d.have[m] > 0 {
		return len(d.followers[m])
	}
	return 0
}

// shardLed is the goal's shard that master m leads now; nil for others.
func (d *draft) shardLed(m int) *shard {
	for _, s := range d.aim.shards {
		if s.master == m {
			return s
		}
	}
	return nil
}

func (s *Step) followed(now *cluster.State) {
	n, to, ok := both(now, s.Node, s.To)
	if !ok {
		return
	}
	n.Master, n.Slots = to.ID, slot.Set{}
	n.Linked, n.Lag, n.Keys, n.Member = true, 0, to.Keys, true
	n.Unproven = false
}
