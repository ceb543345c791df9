package plan

import "fmt"

// seeShrink notices when the aim drains more than may go unasked: over half of
// the masters that serve slots, or so many that fewer than three are left.
func (d *draft) seeShrink() {
	serving, going := 0, 0
	for _, s := range d.aim.shards {
		if d.have[s.master] > 0 {
			serving++
		}
	}
	for _, s := range d.aim.drain {
		if d.have[s.master] > 0 {
			serving++
			going++
		}
	}
	d.aim.shrink = going > 0 && (2*going > serving || d.want.Masters < 3)
	d.aim.before = serving
}

// mayShrink reports whether the aim's draining is permitted. Without it
// nothing moves or leaves, because all of that is counted on the smaller
// cluster.
func (d *draft) mayShrink() bool {
	if n := d.want.Allow.ShrinkTo; !d.aim.shrink || n != nil && *n == d.want.Masters {
		return true
	}
	d.hold(Hold{
		Why: Ask, Code: ShrinkTo,
		Text: fmt.Sprintf("going from %d to %s removes a large part of the cluster", d.aim.before, plural(d.want.Masters, "master")),
		Lift: fmt.Sprintf("allow.shrinkTo: %d", d.want.Masters),
	})
	return false
}
