package live

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// threeOwners is a world whose third master has slots too: one without any is
// not failed over.
func threeOwners(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, 2, 1)
	if err := w.mover().move(t.Context(), moves("n0", "n2", ranged(100, 110))); err != nil {
		t.Fatal(err)
	}
	return w
}

// A person has the replica of the source take over without asking anybody, in
// the very moment in which the slots are to be handed over. The replica takes
// writes from then on. Whoever of the two owned the slots in the end, the other
// one would drop what it holds, so they are not handed over. A replica of Valkey 8
// may know the marks of its master, and send clients with a new key on.
func TestSlotsOfAMasterThatWasJustReplacedAreNotHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	heir := w.follow(w.nodes[0], "r0")
	slots := ranged(3, 5)
	want := w.fill(w.nodes[0], slots, 20)
	written, replaced := "{"+tagOf(4)+"}written at the heir", false
	m := w.moverUntil(func() {
		w.until("the heir leads", func() bool {
			w.do(heir, "CLUSTER", "FAILOVER", "TAKEOVER")
			return w.leads(heir)
		})
		w.until("it takes a write, or sends it on", func() bool {
			answer := fmt.Sprint(w.do(heir, "SET", written, "new"))
			if answer == "OK" {
				want[written] = "new"
			}
			return answer == "OK" || strings.HasPrefix(answer, "ASK 4 ")
		})
		replaced = true
	})
	err := m.move(context.Background(), moves("n0", "n2", slots))
	if replaced && (err == nil || !strings.Contains(err.Error(), "r0 has taken the place of n0")) {
		t.Errorf("error %v does not say that n0 was replaced", err)
	}
	// Where the servers hand slots over by themselves no run can be late.
	if replaced == valkey(w.look().Node("n0"), 9) {
		t.Errorf("the source was replaced: %v", replaced)
	}
	if want[written] == "" && !valkey(w.look().Node("n0"), 8) {
		t.Error("the heir did not take the write")
	}
	w.agreed()
	leads, _ := w.lead("n0", "r0")
	w.until("nothing is open", func() bool { // one that was in the middle of a sync hears of the end at the second time
		w.finish(leads.name, "n2", slots)
		return len(w.look().Open) == 0
	})
	w.holds(w.nodes[2], slots, want)
}

// The same at the other end: the target does not know yet that its replica leads.
func TestSlotsAreNotHandedToAMasterThatWasJustReplaced(t *testing.T) {
	t.Parallel()
	w := threeOwners(t)
	heir := w.follow(w.nodes[2], "r2")
	slots := ranged(3, 5)
	want := w.fill(w.nodes[0], slots, 20)
	replaced := false
	m := w.moverUntil(func() {
		w.copied(w.nodes[2], heir)
		w.until("the heir leads", func() bool {
			w.do(heir, "CLUSTER", "FAILOVER", "TAKEOVER")
			return w.leads(heir)
		})
		replaced = true
	})
	err := m.move(context.Background(), moves("n0", "n2", slots))
	if replaced && (err == nil || !strings.Contains(err.Error(), "r2 has taken the place of n2")) {
		t.Errorf("error %v does not say that n2 was replaced", err)
	}
	if replaced == valkey(w.look().Node("n0"), 9) {
		t.Errorf("the target was replaced: %v", replaced)
	}
	w.agreed()
	leads, _ := w.lead("n2", "r2")
	w.finish("n0", leads.name, slots)
	w.holds(leads, slots, want)
}

// moverUntil is a mover that is interrupted once: when keys have moved and
// their slots are about to be handed over. Servers that hand slots over by
// themselves never come there.
func (w *world) moverUntil(then func()) *mover {
	var once sync.Once
	var migrated atomic.Bool
	m := w.mover()
	m.dial = func(addr string) Conn {
		return watchConn{w.dial(addr), func(cmd string) {
			switch {
			case cmd == "MIGRATE":
				migrated.Store(true)
			case cmd == "CLUSTER INFO" && migrated.Load(): // to compare epochs, right before the claim
				once.Do(then)
			}
		}}
	}
	return m
}

// A person begins to move one of the slots elsewhere, in the very moment in which
// it is to be handed over, and finishes that, with commands as redis-cli sends
// them. Were the slot handed over as well, the target would lose to the person's
// one, and drop the keys.
func TestASlotThatSomebodyElseMovesIsNotHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	slots := ranged(3, 5)
	want := w.fill(w.nodes[0], slots, 20)
	begun := false
	m := w.moverUntil(func() {
		w.importing(4, w.nodes[0], w.nodes[1])
		w.migrating(4, w.nodes[0], w.nodes[1])
		begun = true
	})
	err := m.move(context.Background(), moves("n0", "n2", slots))
	if begun == valkey(w.look().Node("n0"), 9) {
		t.Errorf("the person has begun: %v", begun)
	}
	if begun {
		if err == nil || !strings.Contains(err.Error(), "slot 4: somebody else moves it") {
			t.Errorf("error %v does not say that somebody else moves the slot", err)
		}
		for _, p := range []*process{w.nodes[1], w.nodes[0], w.nodes[2]} {
			w.do(p, "CLUSTER", "SETSLOT", 4, "NODE", w.id(w.nodes[1])) // the last one may refuse: it was told something else
		}
		w.until("the slot is where the person wants it", func() bool { return w.look().Node("n1").Slots.Has(4) && !w.look().Node("n0").Slots.Has(4) })
		// What had left before is at n2, and no mark of n1 tells of it (on Valkey 8
		// not even one of n2): a person has to say that it is on its way.
		if err := w.mover().close(context.Background(), closes("n1", "n2", ranged(4, 4))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"n0", "n1"} {
		w.finish(name, "n2", slots)
	}
	w.holds(w.nodes[2], slots, want)
}

// A person closes one of the slots at the source, in the very moment in which it
// is to be handed over, and a client finds the source take a new key. The slot is
// emptied again before it goes; while the person does so again and again, it stays.
func TestASlotThatGetsAKeyAfterItWasEmptiedIsEmptiedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		often int
		close func(w *world)
	}{
		{"its mark is gone", 1, func(w *world) {}},
		{"its mark is back", 1, func(w *world) { w.migrating(4, w.nodes[0], w.nodes[2]) }},
		{"again and again", emptyings, func(w *world) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, 1)
			source, slots := w.nodes[0], ranged(3, 5)
			want := w.fill(source, slots, 20)
			left, migrated := c.often, false
			var mu sync.Mutex // probes send as well
			m := w.mover()
			m.dial = func(addr string) Conn {
				return watchConn{w.dial(addr), func(cmd string) {
					mu.Lock()
					defer mu.Unlock()
					migrated = migrated || cmd == "MIGRATE"
					if cmd != "CLUSTER INFO" || !migrated || left == 0 {
						return
					}
					key := fmt.Sprintf("{%s}written at the source %d", tagOf(4), left)
					left, migrated = left-1, false
					w.do(source, "CLUSTER", "SETSLOT", 4, "STABLE")
					if v := w.do(source, "SET", key, "new"); v != "OK" {
						t.Errorf("the source takes no key: %v", v)
					}
					want[key] = "new"
					c.close(w)
				}}
			}
			err := m.move(context.Background(), moves("n0", "n2", slots))
			if !valkey(w.look().Node("n0"), 9) && left > 0 {
				t.Errorf("the person has closed the slot %d times too few", left)
			}
			if stopped := err != nil && strings.Contains(err.Error(), "slot 4: its mark at n0"); stopped != (left == 0 && c.often == emptyings) {
				t.Errorf("it ended with %v", err)
			}
			if err != nil {
				w.finish("n0", "n2", slots)
			}
			w.holds(w.nodes[2], slots, want)
		})
	}
}
