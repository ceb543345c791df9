package plan

import (
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// meet brings members together: first those whom others do not know, or know
// at an old address, then the new nodes that have a seat.
func (d *draft) meet() []Step {
	out := d.meetAgain()
	if slices.ContainsFunc(d.now.Nodes, func(n cluster.Node) bool { return n.Replaced && !n.Slots.Empty() }) {
		return out // a newcomer is never told of it, and would not know who owns those slots
	}
	if d.now.Formed && len(d.now.Split) > 0 || !d.now.Formed && !d.creatable() {
		return out
	}
	if d.aim.frozen || !d.now.Formed && d.seats() == 1 {
		return out // a cluster of one has nobody to meet: its slots make it one
	}
	for i := range d.now.Nodes {
		n := d.node(i)
		if n.Listed && !n.Member && d.aim.seat[i] != nowhere && d.welcome(i) {
			out = append(out, Step{Kind: Meet, Node: n.Name, Reason: "it has a seat and is not a member yet"})
		}
	}
	return out
}

// meetAgain repairs addresses, also of leaving nodes that must still be
// drained. One MEET is enough per node: gossip does the rest. It needs nobody
// else's answer, because a member's ID is the proof of who it is.
func (d *draft) meetAgain() []Step {
	var out []Step
	for i := range d.now.Nodes {
		n := d.node(i)
		stays := n.Listed && d.aim.seat[i] != nowhere || d.have[i] > 0 && !d.stranger(i)
		switch {
		case !n.Member || !d.up(i) || d.stranger(i):
		case n.Moved:
			out = append(out, Step{Kind: Meet, Node: n.Name, Reason: "members know it at an address it no longer has"})
		case len(n.UnknownAt) > 0 && stays:
			out = append(out, Step{Kind: Meet, Node: n.Name, Reason: "unknown to " + some(n.UnknownAt)})
		}
	}
	return out
}

// welcome reports whether the new node i may join, and holds why not.
func (d *draft) welcome(i int) bool {
	n := d.node(i)
	switch {
	case n.Health != cluster.Up:
		return false // problems tells
	case d.wrongEngine(i):
		return false
	}
	return !n.Foreign && n.Keys == 0 && d.have[i] == 0
}

// creatable reports whether a cluster may be made here: every listed node that
// exists answers, is empty and knows only itself. One silent node may be the
// rest of a cluster that lives.
func (d *draft) creatable() bool {
	for i := range d.now.Nodes {
		n := d.node(i)
		if n.Listed && (n.Health != cluster.Up || n.Foreign || n.Keys != 0 || d.have[i] > 0) {
			return false
		}
	}
	return true
}

func (s *Step) met(now *cluster.State) {
	n := find(now, s.Node)
	if n == nil {
		return
	}
	n.Member, n.Moved, n.UnknownAt, n.Unreached, n.Misled, n.Ready = true, false, nil, nil, nil, true
	now.Formed = true
}

// some names up to three of many.
func some(names []string) string {
	out := ""
	for i, name := range slices.Sorted(slices.Values(names)) {
		switch {
		case i == 3:
			return out + " and " + count(len(names)-3, "more")
		case i > 0:
			out += ", "
		}
		out += name
	}
	return out
}
