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
	owner  []int    // by slot: the index of the shard that shall serve it
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
		if len(s.stays) == 0 {
			s.members = d.newcomers(shards)
		}
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
		if s.fresh && s.leader != s.master && d.idle(s.leader) {
			s.master, s.name = s.leader, d.name(s.leader)
		}
	}
	return true
}

// newcomers are the nodes that may come to a shard of which nobody stays: they
// say which zones its leader may stand in, before anybody has a seat.
func (d *draft) newcomers(shards []*shard) []int {
	var out []int
	for i := range d.now.Nodes {
		stays := slices.ContainsFunc(shards, func(s *shard) bool { return slices.Contains(s.stays, i) })
		if d.seatable(i) && !stays {
			out = append(out, i)
		}
	}
	return out
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

// goal is what people and the fingerprint see of the aim. It names what holds
// at the end, not what is left to do, so that it stays equal while the plan
// runs: every unlisted node of ours and every spare counts as removed.
func (d *draft) goal() Goal {
	g := Goal{Shards: d.goalShards()}
	if loss := d.want.Allow.DataLoss; loss != nil {
		g.Lost = *loss
	}
	if d.aim.frozen {
		return g
	}
	for i := range d.now.Nodes {
		n := d.node(i)
		seated := d.aim.seat[i] != nowhere
		if d.leaving[i] || n.Before && !n.Listed || n.Listed && !seated {
			g.Removed = append(g.Removed, n.Name)
		}
		if seated && len(d.want.Config) > 0 {
			if g.Config == nil {
				g.Config = map[string]map[string]string{}
			}
			g.Config[n.Name] = d.want.Config
		}
	}
	return g
}

func (d *draft) goalShards() []Shard {
	var out []Shard
	for _, s := range d.aim.shards {
		shard := Shard{Leader: d.name(s.leader), Slots: s.slots}
		for _, m := range s.members {
			if m != s.leader {
				shard.Replicas = append(shard.Replicas, d.name(m))
			}
		}
		slices.Sort(shard.Replicas)
		out = append(out, shard)
	}
	slices.SortFunc(out, func(a, b Shard) int { return cmp.Compare(a.Leader, b.Leader) })
	return out
}
