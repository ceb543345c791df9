package plan

import (
	"sort"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// Effect is the state that s leaves behind when it succeeds, for rehearsing a
// plan in memory.
func (s Step) Effect(now cluster.State) cluster.State {
	now = clone(now)
	s.apply(&now)
	return now
}

// effects say what each kind leaves behind. A step that names a node which is
// not there leaves everything as it was.
var effects = map[Kind]func(s *Step, now *cluster.State){
	Close: (*Step).closed, Furnish: (*Step).furnished, Start: (*Step).started, Meet: (*Step).met, Assign: (*Step).assigned,
	Follow: (*Step).followed, Move: (*Step).moved, Promote: (*Step).promoted,
	Forget: (*Step).forgotten, Reset: (*Step).forgotten, Stop: (*Step).stopped, Destroy: (*Step).stopped,
	Configure: (*Step).configured, Restart: (*Step).restarted,
}

func (s *Step) apply(now *cluster.State) {
	if effect := effects[s.Kind]; effect != nil {
		effect(s, now)
	}
}

// find is State.Node for states sorted by name, as all are.
func find(now *cluster.State, name string) *cluster.Node {
	i := sort.Search(len(now.Nodes), func(i int) bool { return now.Nodes[i].Name >= name })
	if i < len(now.Nodes) && now.Nodes[i].Name == name {
		return &now.Nodes[i]
	}
	return now.Node(name)
}

// both finds two nodes; ok only where both are there.
func both(now *cluster.State, a, b string) (m, n *cluster.Node, ok bool) {
	m, n = find(now, a), find(now, b)
	return m, n, m != nil && n != nil
}
