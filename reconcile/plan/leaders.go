package plan

import (
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// chooseLeaders is the second choice: masters spread over zones by the least
// sum of squares, then with the fewest promotions.
func (d *draft) chooseLeaders(shards []*shard) {
	zones := len(d.domains)
	masters := int64(len(shards))
	pick := make([][]int, len(shards)) // the best candidate of a shard in a zone, or nowhere
	f := newFlow(zones, len(shards))
	for k, s := range shards {
		pick[k] = d.candidates(s)
		if slices.ContainsFunc(pick[k], func(i int) bool { return i != nowhere }) {
			f.seats[k] = 1
		}
	}
	for z := range zones {
		f.supply[z] = len(shards)
	}
	f.load = func(_, k int) int64 { return (2*int64(k) + 1) * (masters + 1) }
	f.cost = func(z, k, j int) int64 {
		switch {
		case j > 0 || pick[k][z] == nowhere:
			return never
		case pick[k][z] == shards[k].master:
			return 0
		}
		return 1
	}
	f.fill()
	for k, s := range shards {
		for z := range zones {
			if f.x[z][k] > 0 {
				s.leader = pick[k][z]
			}
		}
	}
}

// candidates are the nodes that may lead s, by zone: its master while it is
// listed, else the first member by name. A listed master is never replaced
// without failback; one that leaves is replaced by a member that answers, if
// any does.
func (d *draft) candidates(s *shard) []int {
	out := slices.Repeat([]int{nowhere}, len(d.domains))
	members := s.members
	if slices.Contains(members, s.master) {
		out[d.domain[s.master]] = s.master
		if !d.want.Failback && !s.fresh {
			return out
		}
	} else if answering := d.answering(members); len(answering) > 0 {
		members = answering
	}
	for _, i := range members {
		if z := d.domain[i]; out[z] == nowhere || out[z] != s.master && i < out[z] {
			out[z] = i
		}
	}
	return out
}

// answering are those who answer, or will once they are started.
func (d *draft) answering(nodes []int) []int {
	var out []int
	for _, i := range nodes {
		if h := d.node(i).Health; h == cluster.Up || h == cluster.Absent {
			out = append(out, i)
		}
	}
	return out
}
