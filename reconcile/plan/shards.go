package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

// liveShards are the shards there are: masters with slots or followers. A lone
// empty master is a free node, and what strangers serve is not ours.
func (d *draft) liveShards() []*shard {
	var out []*shard
	for i := range d.now.Nodes {
		n := d.node(i)
		if !n.Member || d.lead[i] != itself || d.stranger(i) || d.have[i] == 0 && len(d.followers[i]) == 0 {
			continue
		}
		s := &shard{name: n.Name, master: i, leader: i}
		for _, k := range append([]int{i}, d.followers[i]...) {
			if d.node(k).Listed {
				s.stays = append(s.stays, k)
			}
		}
		slices.Sort(s.stays)
		out = append(out, s)
	}
	return out
}

// chooseShards is the first choice: which live shards stay, which drain, which
// are new. It fails when there are not enough nodes to found the new ones.
func (d *draft) chooseShards() ([]*shard, bool) {
	live := d.liveShards()
	surplus := len(live) - d.want.Masters
	if surplus > 0 {
		live = d.drop(live, surplus)
	}
	return live, d.found(&live)
}

// worth is what it would cost to drain s, in slots times masters: a re-sync
// copies about an even share, and every slot there would move.
func (d *draft) worth(s *shard) int {
	stay := len(s.stays)
	if d.want.ZoneSpread == spec.Required {
		zones := map[int]bool{}
		for _, i := range s.stays {
			zones[d.domain[i]] = true
		}
		stay = len(zones)
	}
	stay = min(stay, d.want.ReplicasPerMaster+1)
	return slot.Count*stay + min(slot.Count, d.have[s.master]*d.want.Masters)
}

// drop drains the surplus shards of least worth; among equals first from the
// zone with most masters, then the last name.
func (d *draft) drop(live []*shard, surplus int) []*shard {
	worth := make(map[*shard]int, len(live))
	masters := make([]int, len(d.domains))
	for _, s := range live {
		worth[s] = d.worth(s)
		if d.node(s.master).Listed {
			masters[d.domain[s.master]]++
		}
	}
	crowd := func(s *shard) int {
		if !d.node(s.master).Listed {
			return 0
		}
		return masters[d.domain[s.master]]
	}
	for range surplus {
		out := slices.MinFunc(live, func(a, b *shard) int {
			return cmp.Or(cmp.Compare(worth[a], worth[b]), cmp.Compare(crowd(b), crowd(a)), strings.Compare(b.name, a.name))
		})
		if d.node(out.master).Listed {
			masters[d.domain[out.master]]--
		}
		d.aim.drain = append(d.aim.drain, out)
		live = slices.DeleteFunc(live, func(s *shard) bool { return s == out })
	}
	return live
}

// found gives every new shard its founder at once: nothing later is stable
// without that identity. The founder stands in the zone with fewest masters.
func (d *draft) found(live *[]*shard) bool {
	masters := make([]int, len(d.domains))
	loss, in := d.losses(*live)
	for _, s := range *live {
		masters[d.domain[s.master]]++
	}
	for len(*live) < d.want.Masters {
		i := d.founder(loss, masters)
		if i == nowhere {
			return false
		}
		loss[i] = unfit
		masters[d.domain[i]]++
		if s := in[i]; s != nil {
			s.stays = slices.DeleteFunc(s.stays, func(k int) bool { return k == i })
			if len(s.stays) == d.want.ReplicasPerMaster+1 {
				for _, k := range s.stays {
					loss[k] = max(loss[k], needed)
				}
			}
		}
		*live = append(*live, &shard{name: d.name(i), master: i, leader: i, fresh: true, stays: []int{i}})
	}
	return true
}

// What founding a shard with a node would cost.
const (
	nothing = iota // it holds nobody's data
	spare          // a replica that its shard can spare
	needed         // a replica that its shard must replace
	unfit
)

// losses ranks every node as a founder and says which shard it would leave.
func (d *draft) losses(live []*shard) (loss []int, in []*shard) {
	loss, in = make([]int, len(d.now.Nodes)), make([]*shard, len(d.now.Nodes))
	for i := range loss {
		switch {
		case !d.seatable(i):
			loss[i] = unfit
		case d.lead[i] != itself:
			loss[i] = spare
		case d.node(i).Keys > 0:
			loss[i] = needed // it should be empty and is not
		}
	}
	for _, s := range live {
		for _, i := range s.stays {
			in[i] = s
			if len(s.stays) <= d.want.ReplicasPerMaster+1 {
				loss[i] = max(loss[i], needed)
			}
		}
		loss[s.master] = unfit
	}
	return loss, in
}

// founder is the node that costs least, then in the zone with fewest masters,
// then by name.
func (d *draft) founder(loss, masters []int) int {
	best := nowhere
	for i, l := range loss {
		if l == unfit {
			continue
		}
		if best == nowhere || l < loss[best] || l == loss[best] && masters[d.domain[i]] < masters[d.domain[best]] {
			best = i
		}
	}
	return best
}

// seatable reports whether node i may have a seat. A listed node that holds
// keys of its own or another cluster's table never has; one that is silent
// keeps the seat it has.
func (d *draft) seatable(i int) bool {
	n := d.node(i)
	switch {
	case !n.Listed || n.Foreign:
		return false
	case n.Member || n.Health == cluster.Absent || !n.Exists:
		return true
	case n.Health == cluster.Up:
		return n.Keys == 0 && d.have[i] == 0
	}
	return makes(d.want) || !d.enough()
}

// enough reports whether a static inventory has seats filled without the
// nodes that do not answer.
func (d *draft) enough() bool {
	k := 0
	for i := range d.now.Nodes {
		n := d.node(i)
		if n.Listed && !n.Foreign && (n.Member || n.Health == cluster.Up && n.Keys == 0) {
			k++
		}
	}
	return k >= d.seats()
}
