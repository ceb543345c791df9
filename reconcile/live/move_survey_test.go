package live

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// heavyKey writes a key of a slot that takes longer to move than the servers'
// node timeout allows, and returns its name.
func (w *world) heavyKey(at *process, slot int) string {
	w.t.Helper()
	key := "{" + tagOf(slot) + "}heavy"
	w.must(at, "SETRANGE", key, 90_000_000, "x")
	return key
}

// holdsHeavy demands an error that is nothing but the hold of one heavy key.
func holdsHeavy(t *testing.T, err error) {
	t.Helper()
	if holds, all := plan.HoldsOf(err); !all || len(holds) != 1 || holds[0].Code != plan.HeavyKey || holds[0].Node != "n0" {
		t.Fatalf("it is not held by one heavy key at n0: %v", err)
	}
}

// lighten has the servers' node timeout allow what heavyKey wrote.
func (w *world) lighten() {
	w.t.Helper()
	for _, p := range w.nodes {
		w.must(p, "CONFIG", "SET", "cluster-node-timeout", 60_000)
	}
}

// The slot of such a key stays whole, whichever of its keys is listed first, and
// all others move.
func TestASlotWithAKeyTooHeavyToMoveStaysWholeAndOthersMove(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		keys int // of that slot
	}{{"a slot of some keys", 20}, {"a slot of more keys than one listing shows", 3000}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, 1)
			w.byKey()
			from, to := w.nodes[0], w.nodes[2]
			key := w.heavyKey(from, 3) // first: Redis 7 lists the latest first
			want := w.fill(from, ranged(0, 9), 20)
			stays := w.fill(from, ranged(3, 3), c.keys)
			m := w.mover()
			m.budget = 2 * time.Millisecond // a listing shows 500 keys
			holdsHeavy(t, m.move(t.Context(), moves("n0", "n2", ranged(0, 9))))
			seen := w.look()
			if moved := seen.Node("n2").Slots; moved != ranged(0, 9).Minus(ranged(3, 3)) || len(seen.Open) > 0 {
				t.Fatalf("n2 has got %s, and open is %v", moved, seen.Open)
			}
			for k := range stays {
				if delete(want, k); w.do(from, "EXISTS", k) != int64(1) {
					t.Fatalf("%s left n0", k)
				}
			}
			w.holds(to, ranged(0, 9).Minus(ranged(3, 3)), want)
			if w.do(from, "STRLEN", key) != int64(90_000_001) {
				t.Error("the heavy key left n0")
			}
			w.lighten()
			w.finish("n0", "n2", ranged(3, 3))
			w.holds(to, ranged(3, 3), stays)
		})
	}
}

// Keys come to two slots after they were surveyed, and one of them is too heavy. Its
// slot has begun its way and stays open; it keeps no other open.
func TestAKeyTooHeavyThatComesLateKeepsNoOtherSlotOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	from, to := w.nodes[0], w.nodes[2]
	want, stays := w.fill(from, ranged(0, 9), 5), w.fill(from, ranged(3, 3), 5)
	late := "{" + tagOf(5) + "}late"
	want[late] = "came"
	var once sync.Once
	m := w.mover()
	m.dial = func(addr string) Conn {
		return watchConn{w.dial(addr), func(cmd string) {
			if cmd == "MIGRATE" {
				once.Do(func() { // as if they had come before the marks: the source takes no new ones
					for _, s := range []int{3, 5} {
						w.must(from, "CLUSTER", "SETSLOT", s, "STABLE")
					}
					w.heavyKey(from, 3)
					w.must(from, "SET", late, "came")
					for _, s := range []int{3, 5} {
						w.migrating(s, from, to)
					}
				})
			}
		}}
	}
	holdsHeavy(t, m.move(t.Context(), moves("n0", "n2", ranged(0, 9))))
	w.agreed()
	seen := w.look()
	if moved := seen.Node("n2").Slots; moved != ranged(0, 9).Minus(ranged(3, 3)) || len(seen.Open) != 2 || seen.Open[0].Slot != 3 || seen.Open[1].Slot != 3 {
		t.Fatalf("n2 has got %s, and open is %v", moved, seen.Open)
	}
	w.lighten()
	w.finish("n0", "n2", ranged(3, 3))
	w.holds(to, ranged(0, 9), want)
	w.holds(to, ranged(3, 3), stays)
}

// A run before this one marked the slot, and no key has left yet: it is closed
// where it is. One that is half moved stays open until the key may move, and
// keeps no other from being closed.
func TestAHalfMovedSlotWithAKeyTooHeavyToMoveKeepsNoOtherOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	a, b := w.nodes[0], w.nodes[2]
	want := w.fill(a, ranged(3, 6), 6)
	for _, s := range []int{3, 4, 5, 6} {
		w.importing(s, a, b)
		w.migrating(s, a, b)
	}
	w.half(a, b, 3, 2)
	w.half(a, b, 4, 2)
	// As if the key had been there before the mark: the source takes no new ones.
	for _, s := range []int{4, 5} {
		w.must(a, "CLUSTER", "SETSLOT", s, "STABLE")
		w.heavyKey(a, s)
		w.migrating(s, a, b)
	}
	err := w.mover().close(context.Background(), closes("n0", "n2", ranged(3, 6)))
	if holds, all := plan.HoldsOf(err); !all || len(holds) != 2 || holds[0].Code != plan.HeavyKey {
		t.Fatalf("it is not held by two heavy keys: %v", err)
	}
	seen := w.look()
	if moved := seen.Node("n2").Slots; !moved.Has(3) || moved.Has(4) || moved.Has(5) || !moved.Has(6) {
		t.Errorf("n2 owns %s", moved)
	}
	for _, o := range seen.Open {
		if o.Slot != 4 {
			t.Errorf("slot %d is open at %s", o.Slot, o.At)
		}
	}
	if len(seen.Open) != 2 {
		t.Errorf("the half moved slot is not open at both ends: %v", seen.Open)
	}
	w.lighten()
	w.finish("n0", "n2", ranged(3, 6))
	w.holds(b, ranged(3, 6), want)
}
