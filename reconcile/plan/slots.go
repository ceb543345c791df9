package plan

import (
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// chooseSlots is the fourth choice: who serves what at the goal.
func (d *draft) chooseSlots() {
	owner := d.owners()
	if d.aim.frozen || !d.exact && d.evenEnough() {
		d.serve(owner)
		return
	}
	have := make([]int, len(d.aim.shards))
	total := 0
	for _, o := range owner {
		if o >= 0 {
			have[o]++
		}
		if o != strange {
			total++
		}
	}
	d.serve(scan(owner, have, targets(have, d.weights(), total)))
}

// Owners of a slot that are no shard of the goal.
const (
	nobody  = -1 // unserved, or served by a shard that drains
	strange = -2 // served by a stranger: not ours to plan
)

// owners says for every slot which shard of the goal serves it now, or has keys
// of it that nobody serves.
func (d *draft) owners() []int {
	out := slices.Repeat([]int{nobody}, slot.Count)
	mark := func(i, owner int) {
		for n := range d.node(i).Slots.Each() {
			out[n] = owner
		}
	}
	for i := range d.now.Nodes {
		if d.have[i] > 0 && d.stranger(i) {
			mark(i, strange)
		}
	}
	for k, s := range d.aim.shards {
		if d.have[s.master] > 0 {
			mark(s.master, k)
		}
		for n := range d.kept(s.master).Each() {
			out[n] = k
		}
	}
	return out
}

// kept are the slots without an owner of which node i holds the most keys: the
// first of several by name.
func (d *draft) kept(i int) slot.Set {
	var out slot.Set
	for _, o := range d.now.Open {
		if o.At != d.name(i) || o.Stray == 0 || !d.unserved.Has(o.Slot) {
			continue
		}
		if !slices.ContainsFunc(d.now.Open, func(p cluster.Open) bool {
			return p.Slot == o.Slot && (p.Stray > o.Stray || p.Stray == o.Stray && p.At < o.At)
		}) {
			out.Add(o.Slot)
		}
	}
	return out
}

// serve makes owner the goal.
func (d *draft) serve(owner []int) {
	d.aim.owner = owner
	for n, o := range owner {
		if o >= 0 {
			d.aim.shards[o].slots.Add(n)
		}
	}
}

// weights are those of the shards: the smallest among their goal members'
// zones. The master's zone alone would let a failover move slots.
func (d *draft) weights() []int {
	out := make([]int, len(d.aim.shards))
	for k, s := range d.aim.shards {
		for n, i := range s.members {
			w, ok := d.want.Slots.Weights[d.node(i).Zone]
			if !ok {
				w = 1
			}
			if n == 0 || w < out[k] {
				out[k] = w
			}
		}
	}
	if slices.Max(append(slices.Clone(out), 0)) == 0 {
		return slices.Repeat([]int{1}, len(out))
	}
	return out
}

// targets are whole numbers by weight that sum to total. What rounding leaves
// goes to shards above their floor, so that least moves, ties by static order.
func targets(have, weights []int, total int) []int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	out := make([]int, len(have))
	rest := total
	for k, w := range weights {
		out[k] = total * w / sum
		rest -= out[k]
	}
	floor := slices.Clone(out)
	for _, above := range []bool{true, false} {
		for k := range out {
			if rest > 0 && weights[k] > 0 && out[k] == floor[k] && (have[k] > floor[k]) == above {
				out[k]++
				rest--
			}
		}
	}
	return out
}

// evenEnough reports whether nothing has to move: every slot is served by a
// shard that stays, and each is within the tolerance of its share.
func (d *draft) evenEnough() bool {
	if !d.unserved.Empty() || slices.ContainsFunc(d.aim.drain, func(s *shard) bool { return d.have[s.master] > 0 }) {
		return false
	}
	weights, sum := d.weights(), 0
	for _, w := range weights {
		sum += w
	}
	for k, s := range d.aim.shards {
		share := float64(slot.Count) * float64(weights[k]) / float64(sum)
		off := float64(d.have[s.master]) - share
		if max(off, -off) > max(share*d.want.Slots.Tolerance, 1) {
			return false
		}
	}
	return true
}

// scan gives every slot its final owner in one pass from the left. It decides
// only by final owners of lower slots and static data, so it decides the same
// again after any part of the moves is done, and moves no slot it could keep.
func scan(owner, have, target []int) []int {
	keep, give, need := make([]int, len(have)), make([]int, len(have)), make([]int, len(have))
	for k := range have {
		keep[k] = min(have[k], target[k])
		give[k] = have[k] - keep[k]
		need[k] = target[k] - keep[k]
	}
	out := make([]int, len(owner))
	seen := recent{need: need}
	prev := nobody
	for n, o := range owner {
		may := o >= 0 && keep[o] > 0
		spare := o == nobody || o >= 0 && give[o] > 0
		to := o
		switch {
		case o == strange:
			out[n], prev = strange, nobody
			continue
		case may && (prev == o || !spare):
		case spare && prev != o && prev >= 0 && need[prev] > 0:
			to = prev
		case may:
		default:
			to = seen.last()
		}
		if to == o {
			keep[o]--
		} else {
			need[to]--
			if o >= 0 {
				give[o]--
			}
		}
		seen.add(to)
		out[n], prev = to, to
	}
	return out
}

// recent knows which receiver with need was seen last.
type recent struct {
	need  []int
	order []int // the latest at the end
}

func (r *recent) add(k int) {
	if len(r.order) > 0 && r.order[len(r.order)-1] == k || r.need[k] == 0 {
		return
	}
	r.order = append(slices.DeleteFunc(r.order, func(o int) bool { return o == k }), k)
}

func (r *recent) last() int {
	for len(r.order) > 0 {
		k := r.order[len(r.order)-1]
		if r.need[k] > 0 {
			return k
		}
		r.order = r.order[:len(r.order)-1]
	}
	return slices.IndexFunc(r.need, func(n int) bool { return n > 0 })
}
