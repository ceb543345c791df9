package plan

import (
	"slices"

	"github.com/slotwright/slotwright/spec"
)

// chooseMembers is the third choice: who sits in which shard. Staying costs
// nothing, a re-sync costs, a zone with two members of one shard costs most,
// or is out of the question. It fails when the seats can't be filled.
func (d *draft) chooseMembers(shards []*shard) bool {
	f := d.memberFlow(shards)
	if !f.fill() {
		return false
	}
	free := d.seatStaying(shards, f)
	d.seatFree(shards, f, free)
	return true
}

// memberFlow prices the seats by (zone, shard). It starts from the members
// that can stay as they are, which no other flow of that size beats.
func (d *draft) memberFlow(shards []*shard) *flow {
	zones, seats := d.classes, d.want.ReplicasPerMaster+1
	f := newFlow(zones, len(shards))
	for i := range d.now.Nodes {
		if d.seatable(i) {
			f.supply[d.class[i]]++
		}
	}
	stays := make([][]int, zones)
	for z := range stays {
		stays[z] = make([]int, len(shards))
	}
	for k, s := range shards {
		f.seats[k] = seats
		for _, i := range s.stays {
			stays[d.class[i]][k]++
		}
	}
	tie := tieBreak(zones, len(shards), seats)
	resync := int64(2*len(shards)+2) * tie.unit
	crowd := resync * int64(len(shards)*seats+1)
	f.cost = func(z, k, j int) int64 {
		var c int64
		lead := d.class[shards[k].leader]
		switch {
		case j == 0 && z == lead:
			c = -tie.unit
		case z == d.apart || d.want.ZoneSpread == spec.Off:
		case j > 0 && d.want.ZoneSpread == spec.Required:
			return never
		default:
			c = crowd * int64(j)
		}
		if j >= stays[z][k] {
			c += resync + tie.cost((z-lead-1+zones)%zones, z, k)
		}
		return c
	}
	f.fixed = func(z, k int) int {
		if shards[k].fresh && z == d.class[shards[k].master] {
			return 1
		}
		return 0
	}
	d.warm(shards, f)
	return f
}

// ties makes the optimum unique where costs alone would not, so that a plan
// that is partly done is not turned into another, equally good one. It reads
// nothing that a plan changes: first how far the zone is from the leader's,
// round and round, then zones against shards in their order.
type ties struct{ far, unit int64 }

func tieBreak(zones, shards, seats int) ties {
	far := int64(1)
	if zones*shards <= 1<<14 { // beyond it the sums would overflow
		far = int64(zones*shards*shards*seats) + 1
	}
	return ties{far: far, unit: int64(zones*shards*seats)*far + far}
}

func (t ties) cost(far, z, k int) int64 {
	if t.far == 1 {
		return int64(far)
	}
	return int64(far)*t.far + int64(z*k)
}

// warm puts in the members that stay without a crowded zone, the leader's zone
// first, and every founder.
func (d *draft) warm(shards []*shard, f *flow) {
	for k, s := range shards {
		lead := d.class[s.leader]
		for _, first := range []bool{true, false} {
			for _, i := range s.stays {
				z := d.class[i]
				if (z == lead) == first && (f.x[z][k] == 0 || z == d.apart) && f.filled[k] < f.seats[k] && f.used[z] < f.supply[z] {
					f.put(z, k)
				}
			}
		}
	}
}

// seatStaying keeps members where the flow keeps their zone, the leader first,
// and returns by zone the nodes that are left for open seats.
func (d *draft) seatStaying(shards []*shard, f *flow) [][]int {
	taken := make([]bool, len(d.now.Nodes))
	for k, s := range shards {
		s.members = nil
		left := make(map[int]int)
		order := slices.Clone(s.stays)
		if k := slices.Index(order, s.leader); k > 0 {
			order = append([]int{s.leader}, slices.Delete(order, k, k+1)...)
		}
		for _, i := range order {
			z := d.class[i]
			if left[z] < f.x[z][k] {
				left[z]++
				s.members = append(s.members, i)
				taken[i] = true
			}
		}
	}
	free := make([][]int, d.classes)
	for i := range d.now.Nodes {
		if d.seatable(i) && !taken[i] {
			free[d.class[i]] = append(free[d.class[i]], i)
		}
	}
	return free
}

// seatFree fills the open seats of each zone: which nodes is decided first
// (those already in the cluster, then by name), who sits where only then, both
// by name. A done part of the work changes neither.
func (d *draft) seatFree(shards []*shard, f *flow, free [][]int) {
	for z := range d.classes {
		open := 0
		for k, s := range shards {
			open += f.x[z][k] - d.inZone(s, z)
		}
		nodes := free[z]
		slices.SortStableFunc(nodes, func(a, b int) int { return outside(d, a) - outside(d, b) })
		nodes = slices.Clone(nodes[:open])
		slices.Sort(nodes)
		for k, s := range shards {
			for range f.x[z][k] - d.inZone(s, z) {
				s.members = append(s.members, nodes[0])
				nodes = nodes[1:]
			}
		}
	}
}

func (d *draft) inZone(s *shard, z int) int {
	n := 0
	for _, i := range s.members {
		if d.class[i] == z {
			n++
		}
	}
	return n
}

func outside(d *draft, i int) int {
	if d.node(i).Member {
		return 0
	}
	return 1
}
