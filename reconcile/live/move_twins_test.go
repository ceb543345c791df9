package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// beside has a master stand still while a person claims a slot for it, so that it
// comes back as a master beside its heir. It tells whether it did: Valkey 8 has
// replicas agree to a claim first.
func (w *world) beside(master, heir *process, claimed int) bool {
	w.t.Helper()
	w.copied(master, heir)
	id := w.id(master)
	w.signal(master, syscall.SIGSTOP)
	told := make(chan any)
	go func() { told <- w.do(master, "CLUSTER", "SETSLOT", claimed, "NODE", id) }()
	w.until("the heir leads", func() bool {
		return w.leads(heir)
	})
	w.signal(master, syscall.SIGCONT)
	if v := <-told; w.wholes() && v != "OK" {
		w.t.Fatalf("%s does not take slot %d: %v", master.name, claimed, v)
	}
	w.do(w.nodes[0], "CLUSTER", "SETSLOT", claimed, "NODE", id) // it takes its own mark away
	w.agreed()
	for _, p := range append([]*process{heir}, w.nodes...) {
		w.until(p.name+" serves", func() bool { return strings.Contains(fmt.Sprint(w.do(p, "CLUSTER", "INFO")), "cluster_state:ok") })
	}
	return w.own(master).Flags.Master
}

// asking sends a command as a client that was sent there.
func (w *world) asking(p *process, args ...any) {
	w.t.Helper()
	c := p.c.Conn()
	defer c.Close()
	if err := errors.Join(c.Do(w.t.Context(), "ASKING").Err(), c.Do(w.t.Context(), args...).Err()); err != nil {
		w.t.Fatalf("%s: %v: %v", p.name, args, err)
	}
}

// A master stood still, its replica was elected, and it came back as a master beside
// it. A slot was on its way to it: some keys are at the owner, the others at both.
// Another slot it had got as a whole.
func TestWhatAMasterAndItsHeirBothHoldComesTogether(t *testing.T) {
	t.Parallel()
	const got, half, claimed = 5, 7, 9
	for _, c := range []struct {
		name string
		to   string
		deed func(w *world, target, heir *process, want map[string]string)
		code plan.Code
		lift func(w *world, heir *process, want map[string]string)
	}{
		{name: "back to the owner", to: "n0"},
		{name: "on to the first", to: "n2"},
		{name: "on to the heir", to: "r2"},
		{
			name: "the owner sends clients to the heir", to: "r2", // Valkey 8 has it do so
			deed: func(w *world, _, heir *process, want map[string]string) {
				w.importing(half, w.nodes[0], heir)
				w.migrating(half, w.nodes[0], heir)
				key := "{" + tagOf(half) + "}written at the heir"
				w.asking(heir, "SET", key, "new")
				want[key] = "new"
			},
		},
		{
			name: "clients changed a key since", to: "n2", code: plan.TwoValues,
			deed: func(w *world, target, _ *process, want map[string]string) {
				key := tagged(tagOf(half), 1)[0]
				w.asking(target, "SET", key, "new")
				want[key] = "new"
			},
			lift: func(w *world, heir *process, _ map[string]string) { w.asking(heir, "DEL", tagged(tagOf(half), 1)[0]) },
		},
		{
			name: "clients deleted a key since", to: "n2", code: plan.StaleKeys,
			deed: func(w *world, target, _ *process, want map[string]string) {
				key := tagged(tagOf(half), 1)[0]
				w.asking(target, "DEL", key)
				delete(want, key)
			},
			lift: func(w *world, heir *process, _ map[string]string) { w.asking(heir, "DEL", tagged(tagOf(half), 1)[0]) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := threeOwners(t)
			source, target := w.nodes[0], w.nodes[2]
			heir := w.heir(target, "r2")
			want := w.fill(source, ranged(half, half), 6)
			for _, s := range []int{half, claimed} {
				w.importing(s, source, target)
				w.migrating(s, source, target)
			}
			w.half(source, target, half, 3)
			if !w.beside(target, heir, claimed) {
				if w.wholes() {
					t.Fatal("n2 follows its heir, though it was told to take a slot")
				}
				return
			}
			if c.deed != nil {
				c.deed(w, target, heir, want)
			}
			step := closes("n0", c.to, ranged(half, half))
			err := w.mover().close(context.Background(), step)
			if c.code != "" {
				var held plan.Held
				if !errors.As(err, &held) || held.Hold.Code != c.code || !strings.Contains(err.Error(), "r2") {
					t.Fatalf("it is not held: %v", err)
				}
				for _, p := range []*process{target, heir} {
					if n := w.must(p, "CLUSTER", "COUNTKEYSINSLOT", half); n == int64(0) {
						t.Errorf("%s holds no key any more", p.name)
					}
				}
				c.lift(w, heir, want)
				err = w.mover().close(context.Background(), step)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range w.nodes {
				if p.name == c.to {
					w.holds(p, ranged(half, half), want)
				}
			}
		})
	}
}

// wholes says whether the servers take a claim without asking their replicas.
func (w *world) wholes() bool { return !valkey(w.look().Node("n0"), 8) }

// A master came back beside its heir with slots that it had got as a whole. What
// clients delete there must not come back with the heir's copies.
func TestCopiesOfSlotsThatAMasterGotBeforeItStoodStillAreNotRevived(t *testing.T) {
	t.Parallel()
	const s = 7
	w := threeOwners(t)
	source, target := w.nodes[0], w.nodes[2]
	heir := w.heir(target, "r2")
	want := w.fill(source, ranged(s, s), 6)
	w.importing(s, source, target)
	w.migrating(s, source, target)
	w.half(source, target, s, 6)
	if !w.beside(target, heir, s) {
		return
	}
	w.until("n2 owns it", func() bool { return w.look().Node("n2").Slots.Has(s) })
	step := closes("n2", "n2", ranged(s, s))
	gone := tagged(tagOf(s), 1)[0]
	w.must(target, "DEL", gone)
	delete(want, gone)
	err := w.mover().close(context.Background(), step)
	var held plan.Held
	if !errors.As(err, &held) || held.Hold.Code != plan.StaleKeys || !strings.Contains(err.Error(), gone) {
		t.Fatalf("it is not held: %v", err)
	}
	w.asking(heir, "DEL", gone)
	if err := w.mover().close(context.Background(), step); err != nil {
		t.Fatal(err)
	}
	w.holds(target, ranged(s, s), want)
	if !livetest.Eventually(time.Minute, func() bool { return w.do(heir, "CLUSTER", "COUNTKEYSINSLOT", s) == int64(0) }) {
		t.Error("r2 still holds copies")
	}
}
