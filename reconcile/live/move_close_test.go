package live

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

func closes(from, to string, slots slot.Set) plan.Step {
	return plan.Step{Kind: plan.Close, From: from, To: to, Slots: slots}
}

// half moves n of the keys of an open slot by hand.
func (w *world) half(from, to *process, s, n int) {
	w.t.Helper()
	for _, key := range tagged(tagOf(s), n) {
		host, port, _ := strings.Cut(to.addr, ":")
		w.must(from, "MIGRATE", host, port, key, 0, 5000)
	}
}

func (w *world) importing(s int, from, at *process) {
	w.must(at, "CLUSTER", "SETSLOT", s, "IMPORTING", w.id(from))
}

func (w *world) migrating(s int, at, to *process) {
	w.must(at, "CLUSTER", "SETSLOT", s, "MIGRATING", w.id(to))
}

func TestHalfMovedSlotsAreClosed(t *testing.T) {
	t.Parallel()
	const s = 7
	for _, c := range []struct {
		name string
		cut  func(w *world, a, b *process)
	}{
		{"nothing is marked", func(w *world, a, b *process) {}},
		{"only the target is marked", func(w *world, a, b *process) { w.importing(s, a, b) }},
		{"only the source is marked", func(w *world, a, b *process) { w.migrating(s, a, b) }},
		{"both are marked, nothing moved", func(w *world, a, b *process) { w.importing(s, a, b); w.migrating(s, a, b) }},
		{"half of the keys moved", func(w *world, a, b *process) { w.importing(s, a, b); w.migrating(s, a, b); w.half(a, b, s, 3) }},
		{"all keys moved", func(w *world, a, b *process) { w.importing(s, a, b); w.migrating(s, a, b); w.half(a, b, s, 6) }},
		{"half moved, the source lost its mark", func(w *world, a, b *process) {
			w.importing(s, a, b)
			w.migrating(s, a, b)
			w.half(a, b, s, 3)
			w.must(a, "CLUSTER", "SETSLOT", s, "STABLE")
		}},
		{"half moved, the target lost its mark", func(w *world, a, b *process) {
			w.importing(s, a, b)
			w.migrating(s, a, b)
			w.half(a, b, s, 3)
			w.must(b, "CLUSTER", "SETSLOT", s, "STABLE")
		}},
		{"half moved, both lost their marks", func(w *world, a, b *process) {
			w.importing(s, a, b)
			w.migrating(s, a, b)
			w.half(a, b, s, 3)
			w.must(a, "CLUSTER", "SETSLOT", s, "STABLE")
			w.must(b, "CLUSTER", "SETSLOT", s, "STABLE")
		}},
		{"a third node is marked too", func(w *world, a, b *process) {
			w.importing(s, a, b)
			w.migrating(s, a, w.nodes[1])
			w.importing(s, a, w.nodes[1])
		}},
	} {
		for _, to := range []int{0, 2} {
			t.Run(c.name+[]string{", back", "", ", on"}[to], func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 2, 1)
				a, b := w.nodes[0], w.nodes[2]
				want := w.fill(a, ranged(s, s), 6)
				c.cut(w, a, b)
				if err := w.mover().close(context.Background(), closes("n0", w.nodes[to].name, ranged(s, s))); err != nil {
					t.Fatal(err)
				}
				w.holds(w.nodes[to], ranged(s, s), want)
			})
		}
	}
}

func TestAClaimThatGossipHasNotSpreadBecomesDurable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	a, b := w.nodes[0], w.nodes[2]
	want := w.fill(a, ranged(7, 7), 6)
	w.importing(7, a, b)
	w.migrating(7, a, b)
	w.half(a, b, 7, 6)
	m := w.mover() // seen before the target was told
	w.must(b, "CLUSTER", "SETSLOT", 7, "NODE", w.id(b))
	if err := m.close(context.Background(), closes("n0", "n2", ranged(7, 7))); err != nil {
		t.Fatal(err)
	}
	w.until("all agree", func() bool {
		return w.look().Node("n2").Slots.Has(7) && !w.look().Node("n0").Slots.Has(7)
	})
	w.holds(b, ranged(7, 7), want)
}

func TestASlotWhoseOtherEndIsSilentStaysOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	a, b := w.nodes[0], w.nodes[2]
	w.fill(a, ranged(7, 7), 6)
	w.importing(7, a, b)
	w.migrating(7, a, b)
	w.half(a, b, 7, 3)
	m := w.mover()
	w.kill(b)
	err := m.close(context.Background(), closes("n0", "n0", ranged(7, 7)))
	if err == nil || !strings.Contains(err.Error(), "n2 may hold keys") {
		t.Fatalf("error %v does not say that n2 may hold keys", err)
	}
	if open := w.look().Open; len(open) != 1 {
		t.Errorf("open slots are %v, not the one at the owner", open)
	}
	// Once a majority has declared it failed there is nothing to wait for.
	if err := w.closeAll("n0", "n0"); err != nil {
		t.Fatal(err)
	}
	if open := w.look().Open; len(open) != 0 {
		t.Errorf("open slots are left: %v", open)
	}
}

func TestKeysInThreePlacesAreNobodysToJoin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	a, b, c := w.nodes[0], w.nodes[2], w.nodes[1]
	w.fill(a, ranged(7, 7), 6)
	w.importing(7, a, b)
	w.migrating(7, a, b)
	w.half(a, b, 7, 2)
	w.importing(7, a, c)
	w.migrating(7, a, c)
	for _, key := range tagged(tagOf(7), 4)[2:] {
		host, port, _ := strings.Cut(c.addr, ":")
		w.must(a, "MIGRATE", host, port, key, 0, 5000)
	}
	err := w.closeAll("n0", "n2")
	if err == nil || !strings.Contains(err.Error(), "n1") || !strings.Contains(err.Error(), "n2") {
		t.Fatalf("error %v does not name who holds keys", err)
	}
}

// A run is cut off when nothing moves for a while, and a slot may hold more keys
// than can be brought home in that time.
func TestALongCloseTellsOfItsKeys(t *testing.T) {
	t.Parallel()
	const s, n = 7, 600
	for _, to := range []string{"n0", "n2"} {
		t.Run("to "+to, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, 1)
			a, b := w.nodes[0], w.nodes[2]
			w.fill(a, ranged(s, s), n)
			w.importing(s, a, b)
			w.migrating(s, a, b)
			w.half(a, b, s, 3)
			all := int64(n - 3) // the way on; the way back is there and back again
			if to == "n0" {
				all = 2*int64(n) - 3
			}
			m := w.mover()
			m.budget = time.Millisecond
			m.dial = func(addr string) Conn { // a slow way, a few keys at a time
				return watchConn{w.dial(addr), func(cmd string) {
					if cmd == "MIGRATE" {
						time.Sleep(3 * time.Millisecond)
					}
				}}
			}
			var told []plan.Progress
			m.report = func(p plan.Progress) { told = append(told, p) }
			if err := m.close(context.Background(), closes("n0", to, ranged(s, s))); err != nil {
				t.Fatal(err)
			}
			var midway int
			for _, p := range told {
				if p.KeysTotal != all || p.Total != 1 {
					t.Fatalf("told %+v of %d keys", p, all)
				}
				if p.Done == 0 && p.Keys > 0 && p.Keys < all {
					midway++
				}
			}
			if midway == 0 {
				t.Errorf("it told nothing on its way: %+v", told)
			}
			if end := told[len(told)-1]; end.Done != 1 || end.Keys != all {
				t.Errorf("the end is told as %+v", end)
			}
		})
	}
}
