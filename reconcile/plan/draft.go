package plan

import (
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

// What lead says of a node that follows nobody, or somebody unknown.
const (
	itself = -1
	orphan = -2
)

// draft is a plan while it is made: the state that the steps so far leave
// behind, where it should go, and what stands in the way.
type draft struct {
	want  spec.Topology
	now   cluster.State
	exact bool // go to exact targets, whatever the tolerance
	aim   aim
	holds []Hold
	// unmeasured are the moves that were estimated without weights of their slots.
	unmeasured []Step

	// Read off now by look, indexed like now.Nodes.
	at        map[string]int // by name
	ids       map[string]int // by ID
	lead      []int          // its master's index, itself or orphan
	followers [][]int
	have      []int  // how many slots it owns
	leaving   []bool // see leaves
	domain    []int  // see domains
	domains   []string
	class     []int // see classify
	classes   int
	apart     int // the class of nodes that are alone in their domains, or nowhere
	unserved  slot.Set
}

func newDraft(want spec.Topology, seen cluster.State, exact bool) *draft {
	d := &draft{want: want, now: clone(seen), exact: exact}
	slices.SortStableFunc(d.now.Nodes, func(a, b cluster.Node) int { return strings.Compare(a.Name, b.Name) })
	d.look()
	d.nameDomains()
	d.classify()
	return d
}

// clone copies what effects change.
func clone(s cluster.State) cluster.State {
	s.Nodes = slices.Clone(s.Nodes)
	s.Open = slices.Clone(s.Open)
	s.Fixtures = slices.Clone(s.Fixtures)
	return s
}

func (d *draft) node(i int) *cluster.Node { return &d.now.Nodes[i] }

func (d *draft) name(i int) string { return d.now.Nodes[i].Name }

// look reads off the state what the rules ask for again and again.
func (d *draft) look() {
	n := len(d.now.Nodes)
	if d.at == nil {
		d.at = make(map[string]int, n)
		d.lead, d.have = make([]int, n), make([]int, n)
		d.leaving, d.followers = make([]bool, n), make([][]int, n)
		for i := range d.now.Nodes {
			d.at[d.name(i)] = i
		}
	}
	d.ids = make(map[string]int, n)
	d.unserved = slot.All()
	for i := range d.now.Nodes {
		m := d.node(i)
		d.have[i] = m.Slots.Len()
		d.followers[i] = d.followers[i][:0]
		if m.ID != "" {
			d.ids[m.ID] = i
		}
		if d.have[i] > 0 {
			d.unserved = d.unserved.Minus(m.Slots)
		}
	}
	for i := range d.now.Nodes {
		d.lead[i] = d.leadOf(i)
		if d.lead[i] >= 0 {
			d.followers[d.lead[i]] = append(d.followers[d.lead[i]], i)
		}
	}
	d.seeLeaving()
}

func (d *draft) leadOf(i int) int {
	m := d.node(i).Master
	if m == "" {
		return itself
	}
	if k, ok := d.ids[m]; ok && k != i {
		return k
	}
	return orphan
}

// root is the master of i's shard: i itself for a master and for an orphan.
func (d *draft) root(i int) int {
	if d.lead[i] >= 0 {
		return d.lead[i]
	}
	return i
}

// seeLeaving marks the members that nobody wants any more: listed before, or
// in a shard with a listed member. Every other unlisted member is a stranger.
func (d *draft) seeLeaving() {
	wanted := make([]bool, len(d.now.Nodes))
	for i := range d.now.Nodes {
		if d.node(i).Listed && d.node(i).Member {
			wanted[d.root(i)] = true
		}
	}
	for i := range d.now.Nodes {
		n := d.node(i)
		d.leaving[i] = !n.Listed && n.Member && (n.Before || wanted[d.root(i)])
	}
}

func (d *draft) stranger(i int) bool {
	n := d.node(i)
	return n.Member && !n.Listed && !d.leaving[i]
}

// nameDomains gives every node its failure domain: its zone, or its host where
// no node names a zone.
func (d *draft) nameDomains() {
	zoned := slices.ContainsFunc(d.now.Nodes, func(n cluster.Node) bool { return n.Zone != "" })
	names := make([]string, len(d.now.Nodes))
	for i := range d.now.Nodes {
		names[i] = d.node(i).Host
		if zoned {
			names[i] = d.node(i).Zone
		}
	}
	d.domains = slices.Compact(slices.Sorted(slices.Values(names)))
	d.domain = make([]int, len(names))
	for i, name := range names {
		d.domain[i], _ = slices.BinarySearch(d.domains, name)
	}
}

// manyDomains is from where on nodes that are alone in their domains count as
// one class: a thousand hosts with one node each would else be a thousand
// zones, which takes seconds to seat.
const manyDomains = 33

// classify gives every node the class that its seat is chosen by: its domain,
// or the one of all that are alone. Those never crowd a shard.
func (d *draft) classify() {
	d.class, d.classes, d.apart = d.domain, len(d.domains), nowhere
	if len(d.domains) < manyDomains {
		return
	}
	nodes := make([]int, len(d.domains))
	for _, z := range d.domain {
		nodes[z]++
	}
	d.class, d.classes, d.apart = make([]int, len(d.domain)), 1, 0
	class := make([]int, len(d.domains))
	for z, n := range nodes {
		if n > 1 {
			class[z] = d.classes
			d.classes++
		}
	}
	for i, z := range d.domain {
		d.class[i] = class[z]
	}
}

// up reports whether node i answers and serves.
func (d *draft) up(i int) bool { return d.node(i).Health == cluster.Up }

// idle reports whether node i leads and follows nobody: it may found a shard.
func (d *draft) idle(i int) bool {
	return d.lead[i] == itself && d.have[i] == 0 && len(d.followers[i]) == 0
}

// maxLag is how many bytes a replica may be behind and still count as synced.
// A healthy one is behind by what its master writes between two INFOs.
const maxLag = 16 << 20

// synced reports whether replica i could take over now.
func (d *draft) synced(i int) bool {
	n := d.node(i)
	return d.up(i) && d.lead[i] >= 0 && n.Linked && n.Lag >= 0 && n.Lag <= maxLag
}

// syncedOf counts the synced replicas of master m.
func (d *draft) syncedOf(m int) int {
	k := 0
	for _, f := range d.followers[m] {
		if d.synced(f) {
			k++
		}
	}
	return k
}

func (d *draft) hold(h Hold) {
	if !slices.Contains(d.holds, h) {
		d.holds = append(d.holds, h)
	}
}

// seats is how many members the wanted cluster has.
func (d *draft) seats() int { return d.want.Masters * (d.want.ReplicasPerMaster + 1) }

// makes reports whether the platform starts and stops nodes.
func makes(t spec.Topology) bool { return t.Platform.Static == nil }

// owns reports whether the platform also makes what nodes are started from. Of an
// adopted StatefulSet it sets the replicas only.
func owns(t spec.Topology) bool {
	return makes(t) && (t.Platform.Kubernetes == nil || t.Platform.Kubernetes.Adopt == nil)
}
