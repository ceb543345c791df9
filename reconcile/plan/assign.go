package plan

import (
	"fmt"
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// assign gives slots that nobody owns to the shard they belong to. ADDSLOTS is
// a claim that wins by its epoch, and the loser drops its keys, so it waits
// until every member answers and agrees that the slots are nobody's. In a
// cluster that has or had data it also needs allow.dataLoss.
func (d *draft) assign() []Step {
	if d.unserved.Empty() || d.aim.frozen || !d.now.Formed && d.seats() > 1 {
		return nil
	}
	if !d.now.Formed && !d.creatable() || d.joining() || !d.mayAssign() {
		return nil
	}
	why := "nobody serves them"
	if d.virgin() {
		why = "its share of a new cluster"
	}
	var out []Step
	var kept slot.Set
	for _, s := range d.aim.shards {
		kept = kept.Union(d.kept(s.master))
	}
	for _, s := range d.aim.shards {
		// Slots go first to whoever has keys of them; if need be they move on.
		if slots := s.slots.Intersect(d.unserved).Minus(kept).Union(d.kept(s.master)); !slots.Empty() && d.lead[s.master] == itself {
			out = append(out, Step{Kind: Assign, Node: d.name(s.master), Slots: slots, Shard: d.name(s.master), Reason: why})
		}
	}
	return out
}

// joining reports whether a founder has yet to join: slots are given out once,
// to all at the same time.
func (d *draft) joining() bool {
	for _, s := range d.aim.shards {
		if !d.up(s.master) || d.now.Formed && !d.node(s.master).Member {
			return true
		}
	}
	return false
}

func (d *draft) mayAssign() bool {
	if !d.agreed() || !d.allUp() || d.mustClose() || !d.linked() {
		return false
	}
	if d.virgin() {
		return true
	}
	if loss := d.want.Allow.DataLoss; loss != nil && *loss == d.unserved {
		return true
	}
	lost, what := d.unserved.String(), "their keys are lost, unless a node that has them comes back"
	if text := strayText(d.now.Open); text != "" {
		what = text + " will be served there again; what other keys they had is lost, unless a node that has them comes back"
	}
	d.hold(Hold{
		Why: Ask, Code: LostSlots,
		Text: fmt.Sprintf("nobody serves %s (%s): %s", lost, plural(d.unserved.Len(), "slot"), what),
		Lift: fmt.Sprintf("bring the node back, or accept the loss with allow.dataLoss: [%s]", lost),
	})
	return false
}

// linked reports whether all members reach each other, and holds who is not
// reached. To be listed is not to be a member: a node that announces a wrong
// address is known by its ID for as long as it takes to hear of that address.
func (d *draft) linked() bool {
	for i := range d.now.Nodes {
		if n := d.node(i); n.Member && len(n.Unreached) > 0 {
			d.hold(Hold{
				Why: Wait, Code: ViewsDisagree, Node: n.Name,
				Text: fmt.Sprintf("%s can't reach %s, so no slot gets an owner yet", some(n.Unreached), n.Name),
				Lift: "it goes on when all members reach each other, also at the port of the cluster bus",
			})
			return false
		}
	}
	return true
}

// unreachable reports whether no member that answers reaches member i.
func (d *draft) unreachable(i int) bool {
	others := 0
	for k := range d.now.Nodes {
		if k != i && d.node(k).Member && d.up(k) {
			others++
		}
	}
	return d.node(i).Member && others > 0 && len(d.node(i).Unreached) == others
}

// WrongAddressOf is the hold of a node that others don't reach where it says.
func WrongAddressOf(node, announced, why string) Hold {
	return Hold{
		Why: Stuck, Code: WrongAddress, Node: node,
		Text: fmt.Sprintf("%s announces %s (cluster-announce-ip), %s", node, announced, why),
		Lift: "set cluster-announce-ip at " + node + " to an address at which the others reach it, or open the way there, also to the port of the cluster bus",
	}
}

// mustClose reports whether a half-moved slot has an owner with whom it is to
// be closed first. One without waits for its owner.
func (d *draft) mustClose() bool {
	return slices.ContainsFunc(d.now.Open, func(o cluster.Open) bool { return d.ownerOf(o.Slot) != nowhere })
}

// virgin reports whether the cluster never held data: every node in it is
// listed or leaving, answers, and holds no key. An interrupted creation goes on
// by it.
func (d *draft) virgin() bool {
	if d.now.Served {
		return false
	}
	for i := range d.now.Nodes {
		n := d.node(i)
		if (n.Listed || n.Member) && (d.stranger(i) || n.Health != cluster.Up || n.Keys != 0) {
			return false
		}
	}
	return true
}

func (s *Step) assigned(now *cluster.State) {
	if n := find(now, s.Node); n != nil {
		n.Slots = n.Slots.Union(s.Slots)
		n.Member, n.Ready = true, true
		now.Formed = true
		now.Open = slices.DeleteFunc(slices.Clone(now.Open), func(o cluster.Open) bool {
			return o.Stray > 0 && o.At == s.Node && s.Slots.Has(o.Slot)
		})
	}
}
