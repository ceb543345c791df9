package live

import (
	"slices"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// marksOf are the marks of slot s at a node.
func marksOf(seen cluster.State, s int, at string) []cluster.Open {
	return slices.DeleteFunc(slices.Clone(seen.Open), func(o cluster.Open) bool { return o.Slot != s || o.At != at })
}

// A former source comes back with the dump it had before its slot moved away.
// Keys that clients deleted since are in it: to bring them to the owner would
// revive them.
func TestKeysOfAnOlderDumpAreNotBroughtToTheOwner(t *testing.T) {
	const s = 7
	servers := serve(t, livetest.Options{Config: map[string]string{"appendonly": "no"}}, "m0", "m1", "m2")
	c := open(t, inventoryOf(servers...), Access{})
	create(t, c, 3, 0)
	seen := rested(t, c)
	from, to := servers[0].addr, servers[1].addr
	keys := tagged(tagOf(s), 5)
	for _, key := range keys {
		command(t, c, from, "SET", key, "old")
	}
	command(t, c, from, "SAVE")
	do(t, c, plan.Step{Kind: plan.Move, From: "m0", To: "m1", Slots: ranged(s, s)})
	for _, key := range keys {
		command(t, c, to, "DEL", key)
	}
	servers[0].kill()
	servers[0].fleet.Again(0)
	seen = rested(t, c)
	if n := command(t, c, from, "CLUSTER", "COUNTKEYSINSLOT", s); n == int64(0) {
		// Some engines drop on load what they don't own; the same keys come by hand.
		command(t, c, from, "CLUSTER", "SETSLOT", s, "IMPORTING", seen.Node("m1").ID)
		for _, key := range keys {
			asks(t, c, from, "SET", key, "old")
		}
		seen = observe(t, c)
	}
	if marks := marksOf(seen, s, "m0"); len(marks) != 1 || marks[0].Alone != 5 {
		t.Fatalf("the marks are %+v, want one with 5 keys alone", marks)
	}
	want := spec.Topology{Name: "orders", Masters: 3, Platform: spec.Platform{Static: &spec.Static{}}}
	p := plan.Make(want, seen)
	if !slices.ContainsFunc(p.Holds, func(h plan.Hold) bool { return h.Code == plan.StaleKeys && h.Node == "m0" }) {
		t.Errorf("nothing is held: %+v", p.Holds)
	}
	if steps := stepsOf(p, plan.Close); len(steps) > 0 {
		t.Errorf("it would close %+v", steps)
	}
	// The owner's mark says that they were on their way.
	command(t, c, to, "CLUSTER", "SETSLOT", s, "MIGRATING", seen.Node("m0").ID)
	if marks := marksOf(observe(t, c), s, "m0"); len(marks) != 1 || marks[0].Alone != 0 {
		t.Errorf("with the owner's mark they are %+v", marks)
	}
	command(t, c, to, "CLUSTER", "SETSLOT", s, "STABLE")
	for _, key := range keys {
		asks(t, c, from, "DEL", key)
	}
	seen = observe(t, c)
	if p := plan.Make(want, seen); len(stepsOf(p, plan.Close)) != 1 {
		t.Errorf("a mark without keys is left: %+v, %+v", p.Holds, seen.Open)
	}
}

// rested waits until every member serves and all agree.
func rested(t *testing.T, c *Cluster) (seen cluster.State) {
	t.Helper()
	if !livetest.Eventually(time.Minute, func() bool {
		seen = observe(t, c)
		return len(seen.Split) == 0 && !slices.ContainsFunc(seen.Nodes, func(n cluster.Node) bool { return n.Health != cluster.Up || !n.Ready })
	}) {
		t.Fatalf("it does not come to rest: %+v", seen.Nodes)
	}
	return seen
}

// asks sends a command right after ASKING, on one connection.
func asks(t *testing.T, c *Cluster, addr string, args ...any) {
	t.Helper()
	for _, r := range c.conn(addr).Pipe(t.Context(), [][]any{{"ASKING"}, args}) {
		if r.Err != nil {
			t.Fatalf("%v at %s: %v", args, addr, r.Err)
		}
	}
}

func stepsOf(p plan.Plan, kind plan.Kind) []plan.Step {
	return slices.DeleteFunc(slices.Clone(p.Steps), func(s plan.Step) bool { return s.Kind != kind })
}
