package cluster

import (
	"cmp"
	"slices"

	"github.com/slotwright/slotwright/spec/slot"
)

// owners is who owns each slot; nil is nobody.
type owners [slot.Count]*node

// own decides who owns each slot and writes down every contradiction.
func (m *merger) own() {
	var owner owners
	fights := m.claims(&owner)
	m.hearsay(&owner)
	for s, n := range owner {
		if n != nil {
			n.Slots.Add(s)
		}
	}
	m.tellFights(fights)
	m.tellViews(&owner)
	m.tellRoles()
	m.tellEpochs()
	m.tellOthers()
}

// fight is two answering masters that claim the same slots.
type fight struct{ winner, loser *node }

// claims gives each slot to the answering master that claims it with the
// greatest epoch; of equal ones to the smaller ID, which is the one that takes
// a new epoch on the bus (clusterHandleConfigEpochCollision).
func (m *merger) claims(owner *owners) map[fight]*slot.Set {
	fights := map[fight]*slot.Set{}
	for _, n := range m.asked {
		if n.Foreign {
			continue
		}
		for _, r := range n.self.Ranges {
			for s := r.First; s <= r.Last; s++ {
				f := fight{n, owner[s]}
				if f.loser == nil {
					owner[s] = n
					continue
				}
				if cmp.Or(cmp.Compare(f.loser.Epoch, n.Epoch), cmp.Compare(n.ID, f.loser.ID)) > 0 {
					f = fight{owner[s], n}
				}
				owner[s] = f.winner
				if fights[f] == nil {
					fights[f] = &slot.Set{}
				}
				fights[f].Add(s)
			}
		}
	}
	return fights
}

// hearsay gives silent nodes what members say they own and no answering master
// claims. Where members contradict each other the greater epoch, then the
// greater number, then the smaller ID holds: never nobody, for a slot with an
// owner somewhere must not look lost.
func (m *merger) hearsay(owner *owners) {
	told := map[int]claim{}
	for _, n := range m.nodes {
		if n.view != nil || n.peer == nil {
			continue
		}
		for _, c := range n.peer.owns {
			for _, r := range c.ranges {
				for s := r.First; s <= r.Last; s++ {
					was := owner[s]
					if was == nil || was.view == nil && stronger(c, n, told[s], was) {
						owner[s], told[s] = n, c
					}
				}
			}
		}
	}
}

func stronger(a claim, by *node, b claim, was *node) bool {
	return cmp.Or(
		cmp.Compare(a.epoch, b.epoch),
		cmp.Compare(a.count, b.count),
		cmp.Compare(was.ID, by.ID),
	) > 0
}

// dispute is slots that a member sees at one node and that are another's.
type dispute struct{ said, owner *node }

type disputed struct {
	slots slot.Set
	by    []*node
}

// tellViews compares how every member sees the slots with who owns them. At
// rest all lines are equal to what was merged and no slot is looked at.
func (m *merger) tellViews(owner *owners) {
	ranges := make(map[*node][]slot.Range, len(m.nodes))
	total := 0
	for _, n := range m.nodes {
		ranges[n] = n.Slots.Ranges()
		total += n.Slots.Len()
	}
	found := map[dispute]*disputed{}
	for _, by := range m.main {
		if !m.sees(by, ranges, total) {
			m.compare(by, owner, found)
		}
	}
	for d, what := range found {
		m.split = append(m.split, d.tell(what))
	}
}

// sees reports whether a member sees exactly the merged owners.
func (m *merger) sees(by *node, ranges map[*node][]slot.Range, total int) bool {
	for i, k := range by.at {
		l := &by.view.Lines[i]
		if k < 0 || l.Ranges == nil {
			continue
		}
		n := m.peers[k].node
		if n == nil || !slices.Equal(l.Ranges, ranges[n]) {
			return false
		}
	}
	return served(by.view.Lines) == total
}

// compare finds what one member sees otherwise. What it says of a slot it is
// importing does not count: a server does not let gossip change the owner of
// such a slot (clusterUpdateSlotsConfigWith), so its view may be old for as long
// as the mark stands, and closing the slot is what ends it.
func (m *merger) compare(by *node, owner *owners, found map[dispute]*disputed) {
	var said owners
	importing := by.importing()
	for i, k := range by.at {
		if k < 0 {
			continue
		}
		for _, r := range by.view.Lines[i].Ranges {
			for s := r.First; s <= r.Last; s++ {
				said[s] = m.peers[k].node
			}
		}
	}
	for s := range said {
		if said[s] == owner[s] || importing.Has(s) {
			continue
		}
		d := dispute{said[s], owner[s]}
		if found[d] == nil {
			found[d] = &disputed{}
		}
		found[d].slots.Add(s)
		if k := len(found[d].by); k == 0 || found[d].by[k-1] != by {
			found[d].by = append(found[d].by, by)
		}
	}
}

// importing are the slots a node marks as being imported.
func (n *node) importing() slot.Set {
	var s slot.Set
	for _, mark := range n.self.Open {
		if mark.Importing {
			s.Add(mark.Slot)
		}
	}
	return s
}
