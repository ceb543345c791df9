package reconcile

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

// rehearsal is a cluster in memory on which every step has the effect that
// plan says it has.
type rehearsal struct {
	mu           sync.Mutex
	now          cluster.State
	did          []plan.Step
	looks        int
	locks        int
	unlocks      int
	tidies, kept int
	rests        int
	holder       string // who has the lock instead
	unseen       error  // what Observe says instead of a state
	whenSeen     func()
	changed      chan struct{} // nil: it notices nothing
	// do replaces the effects; it may call perform itself.
	do func(ctx context.Context, stage []plan.Step, report func(plan.Progress)) error
}

func (r *rehearsal) Rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rests++
}

func (r *rehearsal) Changed() <-chan struct{} { return r.changed }

func (r *rehearsal) Observe(context.Context) (cluster.State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++
	if r.whenSeen != nil {
		r.whenSeen()
	}
	return r.now, r.unseen
}

func (r *rehearsal) Do(ctx context.Context, _ cluster.State, stage []plan.Step, report func(plan.Progress)) error {
	if r.do != nil {
		return r.do(ctx, stage, report)
	}
	r.perform(stage...)
	return nil
}

func (r *rehearsal) perform(steps ...plan.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range steps {
		r.did = append(r.did, s)
		r.now = s.Effect(r.now)
	}
}

func (r *rehearsal) Lock(context.Context) (func(), string, error) {
	if r.holder != "" {
		return nil, r.holder, nil
	}
	r.locks++
	return func() { r.unlocks++ }, "", nil
}

func (r *rehearsal) Tidy(context.Context, cluster.State) error {
	r.tidies++
	return nil
}

func (r *rehearsal) Remember(cluster.State) error {
	r.kept++
	return nil
}

// change alters a node as somebody else would.
func (r *rehearsal) change(name string, how func(*cluster.Node)) {
	r.now.Nodes = slices.Clone(r.now.Nodes)
	how(r.now.Node(name))
}

func (r *rehearsal) silence(name string) {
	r.change(name, func(n *cluster.Node) { n.Health, n.Keys = cluster.Silent, cluster.Unknown })
}

func (r *rehearsal) wake(name string) {
	r.change(name, func(n *cluster.Node) { n.Health, n.Keys = cluster.Up, 0 })
}

// seats reads "a-0 0-5461", a master with slots, "a-1 of c-0", a replica, or
// "a-2", a blank node.
func seats(t *testing.T, lines ...string) *rehearsal {
	t.Helper()
	r := &rehearsal{now: cluster.State{Formed: true}}
	for _, line := range lines {
		words := strings.Fields(line)
		zone, _, _ := strings.Cut(words[0], "-")
		n := cluster.Node{
			Name: words[0], ID: "id-" + words[0], Addr: words[0] + ":6379", Host: words[0], Zone: zone,
			Listed: true, Exists: true, Ready: true, Member: len(words) > 1, Linked: len(words) > 2,
			Server: cluster.Server{Name: "redis", Version: "7.0.15", Databases: 1},
		}
		switch len(words) {
		case 2:
			set, err := slot.Parse(words[1])
			if err != nil {
				t.Fatal(err)
			}
			n.Slots = set
		case 3:
			n.Master = "id-" + words[2]
		}
		r.now.Nodes = append(r.now.Nodes, n)
	}
	return r
}

// three masters with a replica each, in three zones, and blank nodes for more.
func three(t *testing.T, more ...string) *rehearsal {
	t.Helper()
	lines := append([]string{
		"a-0 0-5461", "a-1 of c-0", "b-0 5462-10922", "b-1 of a-0", "c-0 10923-16383", "c-1 of b-0",
	}, more...)
	slices.Sort(lines)
	return seats(t, lines...)
}

func topology(masters int) spec.Topology {
	return spec.Topology{
		Name: "orders", Masters: masters, ReplicasPerMaster: 1, ZoneSpread: spec.Required,
		Platform: spec.Platform{Static: &spec.Static{}}, Slots: spec.Slots{Tolerance: 0.02},
		Failback: true, State: spec.Present,
	}
}

// has reports whether a result holds for the reason of code.
func has(r Result, code plan.Code) bool {
	return slices.ContainsFunc(r.Plan.Holds, func(h plan.Hold) bool { return h.Code == code })
}

func texts(steps []plan.Step) string {
	var out []string
	for _, s := range steps {
		out = append(out, s.String())
	}
	return strings.Join(out, "\n")
}
