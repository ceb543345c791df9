package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

// world makes a random pair of topology and state: a healthy cluster of any
// shape, with whatever failovers, zones and fragments left it, and a wish that
// may be far from it. All depends on the seed only.
func world(seed uint64) (spec.Topology, cluster.State) {
	r := rand.New(rand.NewPCG(seed, 1))
	n := 2 + r.IntN(14)
	zones := 1 + r.IntN(4)
	var now cluster.State
	for i := range n {
		now.Nodes = append(now.Nodes, blankNode(fmt.Sprintf("%c-%d", 'a'+r.IntN(zones), i)))
	}
	slices.SortFunc(now.Nodes, func(a, b cluster.Node) int { return strings.Compare(a.Name, b.Name) })
	if r.IntN(8) > 0 {
		populate(r, &now)
	}
	return wish(r, &now), now
}

func blankNode(name string) cluster.Node {
	zone, _, _ := strings.Cut(name, "-")
	return cluster.Node{Name: name, ID: "id-" + name, Zone: zone, Host: name, Listed: true, Exists: true, Ready: true}
}

// populate makes some nodes masters with random slots, some replicas, and
// leaves some lone members or outside.
func populate(r *rand.Rand, now *cluster.State) {
	now.Formed = true
	order := r.Perm(len(now.Nodes))
	live := 1 + r.IntN(min(len(order), 6))
	masters := order[:live]
	at := 0
	for at < slot.Count {
		next := min(slot.Count, at+1+r.IntN(2*slot.Count/(live*(1+r.IntN(4)))))
		m := &now.Nodes[masters[r.IntN(live)]]
		m.Slots.AddRange(at, next-1)
		at = next
	}
	for _, i := range masters {
		now.Nodes[i].Member = true
		now.Nodes[i].Keys = int64(now.Nodes[i].Slots.Len())
	}
	for _, i := range order[live:] {
		m := &now.Nodes[i]
		switch r.IntN(6) {
		case 0: // a lone member
			m.Member = true
		case 1: // outside
		default:
			lead := &now.Nodes[masters[r.IntN(live)]]
			m.Member, m.Master, m.Linked, m.Keys = true, lead.ID, true, lead.Keys
		}
	}
}

// wish unlists some nodes and asks for a shape that the rest can fill.
func wish(r *rand.Rand, now *cluster.State) spec.Topology {
	want := spec.Topology{
		Name: "orders", State: spec.Present, Failback: r.IntN(4) > 0,
		ZoneSpread: []spec.Spread{spec.Required, spec.Preferred, spec.Off}[r.IntN(3)],
		Platform:   spec.Platform{Static: &spec.Static{}},
		Slots:      spec.Slots{Tolerance: 0.02},
	}
	if r.IntN(2) == 0 {
		want.Platform = spec.Platform{Kubernetes: &spec.Kubernetes{}}
	}
	listed := 0
	for i := range now.Nodes {
		n := &now.Nodes[i]
		if r.IntN(5) == 0 && n.Member && listed+len(now.Nodes)-i > 2 {
			n.Listed, n.Before = false, true
			continue
		}
		listed++
		if !n.Member && want.Platform.Kubernetes != nil && r.IntN(2) == 0 {
			n.Exists, n.Health, n.ID, n.Keys = false, cluster.Absent, "", cluster.Unknown
		}
	}
	want.ReplicasPerMaster = r.IntN(min(listed, 3))
	want.Masters = 1 + r.IntN(listed/(want.ReplicasPerMaster+1))
	want.Allow.ShrinkTo = &want.Masters
	if r.IntN(4) == 0 {
		want.Slots.Weights = map[string]int{"a": 1 + r.IntN(3), "b": 1 + r.IntN(2)}
	}
	if r.IntN(4) == 0 {
		outdate(r, &want, now)
	}
	return want
}

// outdate asks for a directive that some nodes can only take by a restart.
func outdate(r *rand.Rand, want *spec.Topology, now *cluster.State) {
	want.Config = map[string]string{"io-threads": "4"}
	for i := range now.Nodes {
		now.Nodes[i].Config = map[string]string{"io-threads": []string{"1", "4"}[r.IntN(2)]}
	}
}

// work is what steps do, apart from their order: slots by deed.
func work(steps []Step) map[string]slot.Set {
	out := map[string]slot.Set{}
	for _, s := range steps {
		out[s.key()] = out[s.key()].Union(s.Slots)
	}
	return out
}

// minus takes done work away. A deed without slots is done as a whole.
func minus(all, done map[string]slot.Set) map[string]slot.Set {
	out := map[string]slot.Set{}
	for key, slots := range all {
		d, ok := done[key]
		left := slots.Minus(d)
		if !ok || left != (slot.Set{}) {
			out[key] = left
		}
	}
	return out
}

// part picks some of a stage at random, and some slots of some moves.
func part(r *rand.Rand, stage []Step) []Step {
	var out []Step
	for _, s := range stage {
		switch {
		case r.IntN(3) == 0:
		case s.Kind == Move && r.IntN(2) == 0:
			var some slot.Set
			for n := range s.Slots.Each() {
				if r.IntN(2) == 0 {
					some.Add(n)
				}
			}
			if s.Slots = some; !some.Empty() {
				out = append(out, s)
			}
		default:
			out = append(out, s)
		}
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
