package simdial_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/live"
	"github.com/slotwright/slotwright/reconcile/platform/static"
	"github.com/slotwright/slotwright/reconcile/sim"
	"github.com/slotwright/slotwright/reconcile/sim/simdial"
	"github.com/slotwright/slotwright/spec"
)

// topology wants masters with a replica each on the first n of six servers and
// more: one zone each, round robin.
func topology(masters, replicas, n int) spec.Topology {
	t := spec.Topology{
		Name: "orders", Masters: masters, ReplicasPerMaster: replicas, ZoneSpread: spec.Off,
		State: spec.Present, Slots: spec.Slots{Tolerance: 0.02},
		Platform: spec.Platform{Static: &spec.Static{}},
	}
	for i := range n {
		t.Platform.Static.Nodes = append(t.Platform.Static.Nodes, spec.StaticNode{Name: fmt.Sprintf("n%d", i), Address: address(i)})
	}
	return t
}

func address(i int) string { return fmt.Sprintf("10.0.0.%d:6379", i+1) }

func newWorld(n int) *sim.World {
	w := sim.New()
	for i := range n {
		w.Add(address(i), sim.Options{})
	}
	return w
}

// apply is one run of slotwright on a world. Call it in a synctest bubble.
func apply(t *testing.T, w *sim.World, want spec.Topology, knife *simdial.Knife, state string) reconcile.Result {
	t.Helper()
	var clock sync.WaitGroup
	defer clock.Wait() // who changes the world after the run does so alone
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	clock.Go(func() { simdial.Clock(ctx, w) })
	platform, err := static.New(want)
	if err != nil {
		t.Fatal(err)
	}
	c := live.New(want, platform, live.Options{Dial: simdial.Dial(w, knife), State: state})
	defer c.Close()
	return reconcile.Apply(ctx, c, want, reconcile.Options{Approval: reconcile.Anything()})
}

func mustApply(t *testing.T, w *sim.World, want spec.Topology, state string) {
	t.Helper()
	r := apply(t, w, want, nil, state)
	if r.Err != nil || r.Sync() != reconcile.InSync {
		t.Fatalf("%s, error %v\nsteps %+v\nholds %+v\nsplit %q", r.Sync(), r.Err, r.Plan.Steps, r.Plan.Holds, r.Seen.Split)
	}
}

func write(t *testing.T, w *sim.World, keys int) map[string]string {
	t.Helper()
	for i := range keys {
		if err := w.Set(fmt.Sprintf("key:%d", i), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	return w.Keys()
}

func TestGrowingAndShrinkingKeepsEveryKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, state := newWorld(8), t.TempDir()
		mustApply(t, w, topology(3, 1, 6), state)
		want := write(t, w, 200)
		grown := topology(4, 1, 8)
		mustApply(t, w, grown, state)
		if !maps.Equal(w.Keys(), want) {
			t.Fatalf("%d keys are left of %d", len(w.Keys()), len(want))
		}
		mustApply(t, w, topology(3, 1, 6), state)
		if !maps.Equal(w.Keys(), want) {
			t.Fatalf("%d keys are left of %d", len(w.Keys()), len(want))
		}
	})
}
