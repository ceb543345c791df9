package plan

import (
	"fmt"
	"strconv"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// agreed reports whether the members tell one story.
func (d *draft) agreed() bool { return len(d.now.Split) == 0 }

// allUp reports whether every member answers: only then is a slot that nobody
// claims nobody's.
func (d *draft) allUp() bool {
	for i := range d.now.Nodes {
		if d.node(i).Member && !d.up(i) {
			return false
		}
	}
	return true
}

// seatsUp reports whether every member with a seat answers.
func (d *draft) seatsUp() bool {
	for i := range d.now.Nodes {
		if d.node(i).Member && d.aim.seat[i] != nowhere && !d.up(i) {
			return false
		}
	}
	return true
}

// ownersUp reports whether every owner of slots answers for itself.
func (d *draft) ownersUp() bool {
	for i := range d.now.Nodes {
		if d.have[i] > 0 && !d.up(i) {
			return false
		}
	}
	return true
}

// allSynced reports whether every replica that is where it belongs has caught
// up.
func (d *draft) allSynced() bool {
	for i := range d.now.Nodes {
		if s := d.shardOf(i); s != nil && d.lead[i] == s.master && d.up(i) && !d.synced(i) {
			return false
		}
	}
	return true
}

// quiet reports whether everybody with a seat answers and those in place are
// in sync; else it holds what for.
func (d *draft) quiet(what string) bool {
	if !d.seatsUp() || !d.ownersUp() || !d.mayShrink() {
		return false
	}
	for i := range d.now.Nodes {
		if s := d.shardOf(i); s != nil && d.lead[i] == s.master && !d.synced(i) {
			d.hold(Hold{
				Why: Wait, Code: NotSynced, Node: d.name(i),
				Text: fmt.Sprintf("%s is not in sync with %s; %s waits for it", d.name(i), d.name(s.master), what),
				Lift: "it goes on when the replica has caught up",
			})
			return false
		}
	}
	return true
}

// strangeSlots reports whether a node that no topology names serves slots: how
// many slots each shard should have depends on whose those are.
func (d *draft) strangeSlots() bool {
	for i := range d.now.Nodes {
		if d.have[i] > 0 && d.stranger(i) {
			return true
		}
	}
	return false
}

// plural is "1 slot", "2 slots".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func count(n int, noun string) string { return strconv.Itoa(n) + " " + noun }

// silent reports whether node i should answer and does not.
func (d *draft) silent(i int) bool {
	h := d.node(i).Health
	return h == cluster.Silent || h == cluster.Failed
}
