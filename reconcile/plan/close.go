package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// closeOpen finishes or undoes what a dead run left half-moved: towards the
// goal's owner where that is one of the ends, else back to the owner. It goes
// first, because a failover at either end loses the marks that tell of it.
func (d *draft) closeOpen() []Step {
	d.holdAlone()
	type pair struct{ from, to int }
	open := map[pair][]cluster.Open{}
	for _, o := range d.now.Open {
		if from, to, ok := d.closing(o.Slot); ok {
			open[pair{from, to}] = append(open[pair{from, to}], o)
		}
	}
	var out []Step
	for p, marks := range open {
		step := Step{Kind: Close, From: d.name(p.from), To: d.name(p.to), Shard: d.name(p.to), Keys: cluster.Unknown, Reason: whyOpen(marks)}
		for _, o := range marks {
			step.Slots.Add(o.Slot)
		}
		out = append(out, step)
	}
	slices.SortFunc(out, func(a, b Step) int { return strings.Compare(a.From+"\x00"+a.To, b.From+"\x00"+b.To) })
	return out
}

// whyOpen tells keys that no client finds from slots that are marked.
func whyOpen(marks []cluster.Open) string {
	if text := strayText(marks); text != "" {
		return "no client finds " + text
	}
	return "an interrupted move left it open"
}

// strayText is how many stray keys there are, and at whom; "" for none.
func strayText(open []cluster.Open) string {
	var at []string
	var keys int64
	for _, o := range open {
		if o.Stray > 0 {
			at, keys = append(at, o.At), keys+o.Stray
		}
	}
	if keys == 0 {
		return ""
	}
	slices.Sort(at)
	return keysText(keys) + " at " + strings.Join(slices.Compact(at), ", ")
}

// closing says who owns the open slot n and who shall.
func (d *draft) closing(n int) (from, to int, ok bool) {
	from = d.ownerOf(n)
	if from == nowhere || d.unexplained(n) {
		return 0, 0, false // assign gives it an owner first; a person says whose keys are right
	}
	to, ok = from, true
	goal := d.goalOwner(n)
	for _, o := range d.now.Open {
		if o.Slot != n {
			continue
		}
		for _, end := range []string{o.At, o.Peer} {
			i, known := d.at[end]
			if !known {
				continue // forgotten by all: whatever it got is gone with it
			}
			if d.inherited(i) {
				to, goal = from, nowhere
				continue
			}
			if d.superseded(o, i, from) {
				continue
			}
			if !d.up(i) || !d.up(d.root(i)) {
				d.holdOpen(i)
				ok = false
			}
			if d.root(i) == goal {
				to = goal
			}
		}
	}
	return from, to, ok && d.up(from)
}

// superseded reports whether end i of a mark is a former owner of the slot that
// the cluster has declared failed and another node was elected over: what the
// elected one does not have is lost already, and the former owner drops its data
// when it comes back. Waiting for it would leave keys that had arrived at the
// target out of the clients' sight, for the elected owner has no mark.
func (d *draft) superseded(o cluster.Open, i, owner int) bool {
	return o.Importing && d.node(i).Name == o.Peer && i != owner && d.node(i).Health == cluster.Failed
}

// inherited reports whether end i of a mark is a master that the cluster has
// declared failed and whose replica was elected. That one has the keys that had
// arrived, and no mark (before Valkey 8): they lie astray there, and clients are
// sent to the dead one for them. What it had not got is lost already, as above. The
// slot goes back: a master that returns follows its heir, and drops what it holds,
// only if that one has no more slots than were its own (clusterUpdateSlotsConfigWith).
func (d *draft) inherited(i int) bool {
	if d.have[i] > 0 || d.node(i).Health != cluster.Failed {
		return false
	}
	name := d.node(i).Name
	return slices.ContainsFunc(d.now.Open, func(o cluster.Open) bool {
		return o.Stray > 0 && slices.ContainsFunc(d.now.Open, func(mark cluster.Open) bool {
			return mark.Slot == o.Slot && mark.Stray == 0 && mark.Peer == name && !mark.Importing
		})
	})
}

func (d *draft) holdOpen(i int) {
	d.hold(Hold{
		Why: Wait, Code: NodeSilent, Node: d.name(i),
		Text: fmt.Sprintf("slots are half-moved and %s, one end, does not answer; keys may be there alone", d.name(i)),
		Lift: "it goes on when the node, or the replica that takes over, answers",
	})
}

func (d *draft) ownerOf(n int) int {
	for i := range d.now.Nodes {
		if d.have[i] > 0 && d.node(i).Slots.Has(n) {
			return i
		}
	}
	return nowhere
}

// goalOwner is the node that leads the shard which shall serve slot n.
func (d *draft) goalOwner(n int) int {
	if k := d.aim.owner[n]; k >= 0 {
		return d.aim.shards[k].master
	}
	return nowhere
}

func (s *Step) closed(now *cluster.State) {
	from, to, ok := both(now, s.From, s.To)
	if !ok {
		return
	}
	slots := s.Slots.Intersect(from.Slots)
	from.Slots = from.Slots.Minus(slots)
	to.Slots = to.Slots.Union(slots)
	var left []cluster.Open
	for _, o := range now.Open {
		if !s.Slots.Has(o.Slot) {
			left = append(left, o)
		} else if n := find(now, o.At); n != nil && n.Keys >= o.Stray {
			n.Keys -= o.Stray
		}
	}
	now.Open = left
	if from.Slots == (slot.Set{}) {
		from.Keys = 0
	}
}
