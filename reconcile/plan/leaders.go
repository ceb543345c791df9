package plan

import (
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// chooseLeaders is the second choice: masters spread over zones by the least
// sum of squares, then with the fewest promotions.
func (d *draft) chooseLeaders(shards []*shard) {
	tie := tieBreak(len(d.domains), len(shards), 1)
	p := spread{choices: make([][]choice, len(shards)), unit: int64(len(shards)+1) * tie.unit}
	for k, s := range shards {
		p.choices[k] = d.candidates(s)
		for n := range p.choices[k] {
			if c := &p.choices[k][n]; c.node != s.master {
				c.cost = tie.unit + tie.cost(0, c.zone, k)
			}
		}
	}
	p.run(len(d.domains))
	for k, s := range shards {
		if p.at[k] != nowhere {
			s.leader = p.choices[k][p.at[k]].node
		}
	}
}

// candidates are the nodes that may lead s, by zone: its master while it is
// listed, else the first member by name. A listed master is never replaced
// without failback; one that leaves is replaced by a member that answers, if
// any does.
func (d *draft) candidates(s *shard) []choice {
	var out []choice
	members := s.members
	if slices.Contains(members, s.master) {
		out = append(out, choice{zone: d.domain[s.master], node: s.master})
		if !d.want.Failback {
			return out
		}
	} else if answering := d.answering(members); len(answering) > 0 {
		members = answering
	}
	for _, i := range members {
		z := d.domain[i]
		n := slices.IndexFunc(out, func(c choice) bool { return c.zone == z })
		switch {
		case n < 0:
			out = append(out, choice{zone: z, node: i})
		case out[n].node != s.master:
			out[n].node = min(i, out[n].node)
		}
	}
	slices.SortFunc(out, func(a, b choice) int { return a.zone - b.zone })
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
