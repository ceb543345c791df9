package cluster

import "cmp"

// bits is a set of peers.
type bits []uint64

func newBits(n int) bits { return make(bits, (n+63)/64) }

func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) has(i int) bool { return b != nil && b[i/64]&(1<<(i%64)) != 0 }

func (b bits) add(other bits) {
	for i := range b {
		b[i] |= other[i]
	}
}

// component is a set of answering nodes that know each other.
type component struct {
	nodes  []*node
	knows  bits
	slots  int // that its nodes see served
	known  int // 1 if it has a node that was a member before
	listed int // listed places it covers
}

// findMain chooses the component that is the cluster, and says of every
// answering node whether it belongs to it, to another one, or to none.
func (m *merger) findMain() {
	m.inMain = newBits(len(m.peers))
	var main *component
	all := m.components()
	for i := range all {
		if c := &all[i]; c.formed() && (main == nil || better(c, main)) {
			main = c
		}
	}
	if main == nil {
		return
	}
	m.main, m.inMain = main.nodes, main.knows
	for _, n := range m.main {
		n.main = true
	}
	for _, n := range m.asked {
		n.Foreign = !n.main && m.elsewhere(n)
	}
}

// formed tells a cluster from a blank server.
func (c *component) formed() bool {
	return c.slots > 0 || len(c.nodes) > 1 || !c.nodes[0].alone()
}

func better(a, b *component) bool {
	return cmp.Or(
		cmp.Compare(min(a.slots, 1), min(b.slots, 1)),
		cmp.Compare(a.known, b.known),
		cmp.Compare(a.listed, b.listed),
		cmp.Compare(a.slots, b.slots),
		cmp.Compare(len(a.nodes), len(b.nodes)),
		cmp.Compare(b.smallest(), a.smallest()),
	) > 0
}

func (c *component) smallest() string {
	id := c.nodes[0].ID
	for _, n := range c.nodes {
		id = min(id, n.ID)
	}
	return id
}

// components joins answering nodes that list each other. One-sided knowledge
// joins nothing: a forgotten node goes on believing in its old cluster, and a
// member may still list one that has joined another.
func (m *merger) components() []component {
	place := make(map[*node]int, len(m.asked))
	for i, n := range m.asked {
		place[n] = i
	}
	for i, n := range m.asked {
		for _, k := range n.at {
			if k < 0 || m.peers[k].self == nil {
				continue
			}
			other := m.peers[k].self
			if other.knows.has(m.index[n.ID]) {
				m.join(i, place[other])
			}
		}
	}
	var out []component
	at := map[int]int{}
	for i, n := range m.asked {
		r := m.root(i)
		k, ok := at[r]
		if !ok {
			k = len(out)
			at[r] = k
			out = append(out, component{knows: newBits(len(m.peers))})
		}
		out[k].nodes = append(out[k].nodes, n)
		out[k].knows.add(n.knows)
		out[k].slots = max(out[k].slots, served(n.view.Lines))
		if n.view.Remembered {
			out[k].known = 1
		}
	}
	if len(out) > 1 {
		for i := range out {
			out[i].listed = m.covers(&out[i])
		}
	}
	return out
}

func (m *merger) root(i int) int {
	for m.asked[i].root != i {
		m.asked[i].root = m.asked[m.asked[i].root].root
		i = m.asked[i].root
	}
	return i
}

func (m *merger) join(i, j int) {
	i, j = m.root(i), m.root(j)
	m.asked[max(i, j)].root = min(i, j)
}

func served(lines []Line) int {
	total := 0
	for i := range lines {
		for _, r := range lines[i].Ranges {
			total += r.Last - r.First + 1
		}
	}
	return total
}

// covers counts the listed places that a component has or, where they are
// silent, lists under their hint or their address.
func (m *merger) covers(c *component) int {
	covered := 0
	for _, n := range c.nodes {
		if n.Listed {
			covered++
		}
	}
	silent := map[string]bool{}
	for _, n := range m.nodes {
		if n.Listed && n.view == nil {
			silent[n.Addr], silent[n.place.ID] = true, true
		}
	}
	delete(silent, "")
	if len(silent) == 0 {
		return covered
	}
	counted := map[int]bool{}
	for _, n := range c.nodes {
		for i, k := range n.at {
			if k < 0 || counted[k] || m.peers[k].self != nil {
				continue
			}
			l := &n.view.Lines[i]
			if silent[l.ID] || silent[joinAddr(l.Host, l.Port)] || silent[joinAddr(l.Name, l.Port)] {
				counted[k] = true
				covered++
			}
		}
	}
	return covered
}

// alone says that the node lists nobody but itself.
func (n *node) alone() bool {
	others := 0
	for _, k := range n.at {
		if k >= 0 {
			others++
		}
	}
	return others <= 1
}

// elsewhere says that an answering node outside the main component belongs to
// another cluster: it sees slots served, or knows nodes that are neither the
// main component's nor servers of ours. Places that only know each other and
// serve nothing are what a run leaves that died while it introduced them.
func (m *merger) elsewhere(n *node) bool {
	strange, known := false, false
	for _, k := range n.at {
		if k < 0 || k == m.index[n.ID] {
			continue
		}
		known = known || m.inMain.has(k)
		self := m.peers[k].self
		strange = strange || self == nil || self.foreign
	}
	return !known && (strange || served(n.view.Lines) > 0)
}
