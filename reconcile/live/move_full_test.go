package live

import (
	"fmt"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// overfull has a server use more than its maxmemory, as one that evicts nothing
// does while clients write to it. It refuses what may take memory, and every
// command of a transaction.
func (w *world) overfull(p *process) {
	w.t.Helper()
	w.must(p, "CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction")
	if answer := fmt.Sprint(w.do(p, "SET", tagged(tagOf(3), 1)[0], "x")); !strings.HasPrefix(answer, "OOM ") {
		w.t.Fatalf("%s is not full: %s", p.name, answer)
	}
}

// A master is full, and that is why slots leave it.
func TestAFullMasterHandsItsSlotsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	slots := ranged(3, 8)
	want := w.fill(w.nodes[0], slots, 20)
	w.overfull(w.nodes[0])
	if err := w.mover().move(t.Context(), moves("n0", "n2", slots)); err != nil {
		t.Error(err)
	}
	w.agreed()
	w.holds(w.nodes[2], slots, want)
}

// Keys that no client finds are found at a full master as well.
func TestKeysAstrayAreCountedAtAFullMaster(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 0)
	owner, at := w.nodes[0], w.nodes[1]
	w.leaveOver(owner, at, 5, tagged(tagOf(5), 1)[0])
	for _, full := range []*process{at, owner} {
		w.must(full, "CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction")
	}
	var p inventory
	for _, n := range w.nodes {
		p.places = append(p.places, cluster.Place{Name: n.name, Addr: n.addr, Listed: true, Exists: true})
	}
	seen := observe(t, open(t, &p, Access{}))
	for _, n := range seen.Nodes {
		if n.Uncounted != "" {
			t.Errorf("%s: %s", n.Name, n.Uncounted)
		}
	}
	if len(seen.Open) != 1 || seen.Open[0].Slot != 5 || seen.Open[0].Stray != 1 || seen.Open[0].At != "n1" {
		t.Errorf("found %+v", seen.Open)
	}
}

// Whether slots hold all keys of a server one script tells, of a full server as well.
// Where it is refused nobody knows, and the other slots are counted one by one.
func TestOneScriptTellsWhetherSlotsHoldAllKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 0)
	n, c := w.nodes[0], open(t, &inventory{}, Access{})
	w.fill(n, ranged(3, 8), 4)
	hold := func(slots slot.Set, want bool) {
		t.Helper()
		if got, err := c.holdAll(t.Context(), n.addr, 0, slots); got != want || err != nil {
			t.Errorf("slots %s hold all keys: %t, %v", slots, got, err)
		}
	}
	hold(ranged(0, 8191), true)
	hold(ranged(3, 4).Union(ranged(5, 5)).Union(ranged(6, 100)), true)
	hold(ranged(3, 5).Union(ranged(7, 8)), false)
	hold(slot.Set{}, false)
	w.overfull(n)
	hold(ranged(0, 8191), true)
	w.must(n, "ACL", "SETUSER", "default", "-eval_ro")
	hold(ranged(0, 8191), false)
	w.kill(n)
	if _, err := c.holdAll(t.Context(), n.addr, 0, ranged(0, 8191)); err == nil {
		t.Error("a server that is gone tells that it holds none")
	}
}
