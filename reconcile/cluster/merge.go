package cluster

import (
	"cmp"
	"slices"
)

// Merge makes one state of all members' views. It never drops a silent node.
//
// Identity: a node is its ID, and its name is the place's where it answers. A
// place that does not answer is matched with the ID its hint names, else with
// the one that members know at its address; what no place covers is a stranger,
// named by its address, or by its ID when it has none of its own. A server that
// answers, is no place and is no member is not ours to report and is left out.
// Names of places are unique.
//
// The main component is the set of answering nodes that know each other,
// directly or over others, and that serves slots, has a node that was a member
// before, covers most listed places, serves most slots, is largest, has the
// smallest ID, in this order. A server
// that knows only itself and owns nothing is no component. Members are the
// nodes of the main component and those it lists.
//
// Slots: what an answering owner claims itself holds against what others say
// of it; of two claims the greater config epoch wins, as it will on the bus.
// What a silent node owns is what members say. Every contradiction is a
// sentence in Split.
func Merge(views []View) State {
	m := newMerger(views)
	m.findMain()
	m.listen()
	m.name()
	m.describe()
	m.own()
	m.lag()
	return m.state()
}

// peer is one ID that anybody mentioned.
type peer struct {
	id   string
	self *node // the node that answered as this ID; nil: silent
	node *node // its node in the state; nil while it has none
	heard
}

// node is a node of the state in the making.
type node struct {
	Node
	place   Place
	foreign bool // a stranger's view: kept only if it turns out to be a member
	peer    *peer
	view    *View // nil: no answer that tells anything of the cluster
	self    *Line // its own line in that answer
	at      []int // per line of the view the index of its peer; -1 for a handshake
	knows   bits  // the peers it lists, itself too
	root    int   // union-find over the answering nodes
	main    bool
	refused bool // nothing listens at its address
}

type merger struct {
	nodes  []*node // of views; strangers that only hearsay knows are added at the end
	asked  []*node // those of nodes that answered
	peers  []*peer
	index  map[string]int // peers by ID
	main   []*node        // the answering nodes of the main component
	inMain bits           // peers that the main component lists
	split  []string
}

func newMerger(views []View) *merger {
	m := &merger{index: make(map[string]int, len(views))}
	for _, v := range inOrder(views) {
		m.add(v)
	}
	for _, n := range m.asked {
		n.at = make([]int, len(n.view.Lines))
		for i := range n.view.Lines {
			l := &n.view.Lines[i]
			if n.at[i] = -1; !l.Flags.Handshake { // a handshake's ID is made up
				n.at[i] = m.peer(l.ID)
			}
		}
	}
	for i, n := range m.asked {
		n.root = i
		n.knows = newBits(len(m.peers))
		for _, k := range n.at {
			if k >= 0 {
				n.knows.set(k)
			}
		}
	}
	return m
}

// inOrder puts listed places first, then other places, then strangers, each by
// name, so that the result does not depend on who answered first.
func inOrder(views []View) []*View {
	out := make([]*View, len(views))
	for i := range views {
		out[i] = &views[i]
	}
	slices.SortStableFunc(out, func(a, b *View) int {
		return cmp.Or(cmp.Compare(rank(a.Place), rank(b.Place)), cmp.Compare(a.Place.Name, b.Place.Name))
	})
	return out
}

func rank(p Place) int {
	switch {
	case p.Listed:
		return 0
	case !p.stranger():
		return 1
	}
	return 2
}

// stranger says that the place is only an address some member mentioned. One
// with an ID was listed once, even where its name went to another node.
func (p Place) stranger() bool { return !p.Listed && p.ID == "" && p.Name == p.Addr }

func (m *merger) add(v *View) {
	n := &node{place: v.Place, foreign: v.Place.stranger(), Node: blank(v.Place)}
	self := Myself(v.Lines)
	switch {
	case v.Trouble != "" || v.Loading:
		n.Trouble, n.refused = v.Trouble, v.Refused
		if v.Loading {
			n.Health = Loading
		}
	case self == nil && !v.Place.Exists: // there was nobody to ask
	case self == nil:
		n.Trouble = "its answer has no line about itself"
	default:
		p := m.peers[m.peer(self.ID)]
		if p.self != nil { // two addresses of one server
			if n.foreign {
				return
			}
			n.Trouble, n.Twin = "the server at its address is "+p.self.Name, p.self.Name
			break
		}
		n.view, n.self, n.peer, n.ID = v, self, p, self.ID
		p.self, p.node = n, n
		m.asked = append(m.asked, n)
	}
	m.nodes = append(m.nodes, n)
}

// blank is a node of which only the place is known.
func blank(p Place) Node {
	n := Node{
		Name: p.Name, Addr: p.Addr, Zone: p.Zone, Host: p.Host,
		Listed: p.Listed, Before: !p.Listed && !p.stranger(), Exists: p.Exists, Outdated: p.Outdated, Alias: p.Alias,
		Elsewhere: p.Elsewhere, Remark: p.Remark,
		Health: Silent, Keys: Unknown, Lag: Unknown,
		Memory: Memory{Used: Unknown, RSS: Unknown, Dataset: Unknown, Limit: p.Memory},
	}
	if p.stranger() {
		n.Exists = true
		n.Host, _ = splitAddr(p.Addr)
	} else if !p.Exists {
		n.Health = Absent
	}
	return n
}

func (m *merger) peer(id string) int {
	k, ok := m.index[id]
	if !ok {
		k = len(m.peers)
		m.index[id] = k
		m.peers = append(m.peers, &peer{id: id})
	}
	return k
}

func (m *merger) state() State {
	s := State{Formed: len(m.main) > 0, Split: m.split}
	for _, n := range m.nodes {
		s.Nodes = append(s.Nodes, n.Node)
		s.Open = append(s.Open, m.open(n)...)
	}
	slices.SortFunc(s.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	s.SortOpen()
	slices.Sort(s.Split)
	return s
}

// open are the half-moved slots a node's own line shows: replicas' too, which
// Valkey 8 and newer tell of them.
func (m *merger) open(n *node) []Open {
	if n.view == nil || n.Foreign {
		return nil
	}
	var out []Open
	for _, mark := range n.self.Open {
		o := Open{Slot: mark.Slot, At: n.Name, Peer: mark.Peer, Importing: mark.Importing}
		if k, ok := m.index[mark.Peer]; ok && m.peers[k].node != nil {
			o.Peer = m.peers[k].node.Name
		}
		out = append(out, o)
	}
	return out
}
