package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/spec/slot"
)

// aim is where the plan goes. It is chosen once, by the five choices, and
// stays the same while the plan runs.
type aim struct {
	shards []*shard // sorted by name
	seat   []int    // by node: its shard's index, or nowhere
	drain  []*shard // live shards that go
	// frozen says that the wanted shape can't be reached: nodes stay where
	// they are, only repairs go on.
	frozen bool
	shrink bool // drains more than may go without allow.shrinkTo
	before int  // masters that served slots when the plan was made
}

const nowhere = -1

// shard is a shard on its way: who leads it now, who shall.
type shard struct {
	name    string // its master's when the plan was made, or its founder's
	master  int    // now; its founder while it is new
	fresh   bool   // no slots and no followers yet
	leader  int    // at the goal
	stays   []int  // members now that are listed
	members []int  // at the goal, the leader included
	slots   slot.Set
}

func (d *draft) choose() {
	d.aim = aim{seat: make([]int, len(d.now.Nodes))}
	shards, ok := d.chooseShards()
	if ok {
		ok = d.place(shards)
	}
	if !ok {
		shards = d.freeze()
	}
	slices.SortFunc(shards, func(a, b *shard) int { return strings.Compare(a.name, b.name) })
	d.aim.shards = shards
	for i := range d.aim.seat {
		d.aim.seat[i] = nowhere
	}
	for k, s := range shards {
		slices.Sort(s.members)
		for _, m := range s.members {
			d.aim.seat[m] = k
		}
	}
	d.chooseSlots()
	d.seeShrink()
}

// place chooses leaders and members in turns. Leaders come first, because
// members chosen first leave layouts that no promotion evens out.
func (d *draft) place(shards []*shard) bool {
	slices.SortFunc(shards, func(a, b *shard) int { return strings.Compare(a.name, b.name) })
	for _, s := range shards {
		s.members = s.stays
	}
	d.chooseLeaders(shards)
	for range 3 {
		before := leaders(shards)
		if !d.chooseMembers(shards) {
			return false
		}
		d.chooseLeaders(shards)
		if slices.Equal(before, leaders(shards)) {
			break
		}
	}
	for _, s := range shards {
		if s.fresh && s.leader != s.master && d.lead[s.leader] == itself {
			s.master, s.name = s.leader, d.name(s.leader)
		}
	}
	return true
}

func leaders(shards []*shard) []int {
	var out []int
	for _, s := range shards {
		out = append(out, s.leader)
	}
	return out
}

// freeze is the goal when the wanted one is out of reach: what is there stays,
// except that a leaving master is replaced where a member can.
func (d *draft) freeze() []*shard {
	d.aim.frozen = true
	d.aim.drain = nil
	shards := d.liveShards()
	for _, s := range shards {
		s.members = s.stays
	}
	d.chooseLeaders(shards)
	for _, s := range shards {
		if !slices.Contains(s.members, s.leader) {
			s.members = append(slices.Clone(s.members), s.leader)
		}
	}
	return shards
}

// goal is what people and the fingerprint see of the aim.
func (d *draft) goal() Goal {
	var g Goal
	for _, s := range d.aim.shards {
		out := Shard{Leader: d.name(s.leader), Slots: s.slots}
		for _, m := range s.members {
			if m != s.leader {
				out.Replicas = append(out.Replicas, d.name(m))
			}
		}
		slices.Sort(out.Replicas)
		g.Shards = append(g.Shards, out)
	}
	slices.SortFunc(g.Shards, func(a, b Shard) int { return cmp.Compare(a.Leader, b.Leader) })
	if d.aim.frozen {
		return g
	}
	for i := range d.now.Nodes {
		n := d.node(i)
		if d.leaving[i] || n.Before && !n.Listed || n.Listed && d.aim.seat[i] == nowhere {
			g.Removed = append(g.Removed, n.Name)
		}
	}
	return g
}
