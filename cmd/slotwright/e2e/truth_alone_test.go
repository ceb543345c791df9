//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec/slot"
)

// The masters have no replicas. One that dies in the middle of a move and comes
// back with its data, or stands still for longer than the node timeout, costs
// nothing. Only one that never comes back does, and then nothing but the keys
// of the slots it had or was getting.
func TestOnlyAMasterThatNeverComesBackCostsKeys(t *testing.T) {
	const filler = 40_000
	// What a server acknowledges it has given to the kernel: a killed process
	// loses none of it. With fsync every second it may put off the write, too.
	base := newBench(t, livetest.Options{Servers: 4, Config: map[string]string{"appendfsync": "no", "cluster-require-full-coverage": "no"}})
	three := base.write("three.yaml", shape{masters: 3, nodes: first(3)})
	four := base.write("four.yaml", shape{masters: 4, nodes: first(4)})
	base.apply(three)
	base.fleet.Write(t, filler, 64)
	tr := base.fleet.Truth(livetest.TruthOptions{Writers: 4, Readers: 3, Keys: 60, Body: 2000, Pause: 2 * time.Millisecond})

	for _, c := range []struct {
		name string
		file string
		deed func(b *truth, from, to int)
	}{
		{"the target is killed and comes back", four, func(b *truth, _, to int) { b.away(to) }},
		{"the source is killed and comes back", three, func(b *truth, from, _ int) { b.away(from) }},
		{"the target stands still", four, func(b *truth, _, to int) { b.stiff(to) }},
		{"the source stands still", three, func(b *truth, from, _ int) { b.stiff(from) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &truth{base.on(t), tr}
			r, from, to := b.midway(c.file)
			c.deed(b, from, to)
			b.arrive(c.file, r)
		})
		if t.Failed() {
			return
		}
	}
	t.Run("the target never comes back", func(t *testing.T) {
		b := &truth{base.on(t), tr}
		r, _, _ := b.midway(four)
		gone := b.owner(3).id(3)
		b.tr.Fall(3, livetest.Alone, func() { b.fleet.Kill(3) })
		r.kill()
		b.heldBy(three, "NodeSilent", "n3")
		for i := range 3 {
			b.do(i, "CLUSTER", "FORGET", gone)
		}
		// The others may have taken n3 for the owner of slots that it was about to claim.
		b.until("all agree on what is lost", func() bool { return b.unowned(0) == b.unowned(1) && b.unowned(1) == b.unowned(2) })
		lost := b.unowned(0)
		b.heldBy(three, "LostSlots", lost.String())
		b.apply(b.write("loss.yaml", shape{masters: 3, nodes: first(3), more: fmt.Sprintf("  allow: {dataLoss: [%s]}\n", lost)}))
		b.fleet.Check(t)
		b.told()
	})
	if r := tr.Stop(); len(r.Broken) > 0 {
		t.Error(r)
	}
}

// away kills a master, and starts it again when all know that it is dead.
func (b *truth) away(i int) {
	b.t.Helper()
	b.fleet.Kill(i)
	b.failed(i)
	b.fleet.Again(i)
}

// stiff suspends a master until all know it as dead.
func (b *truth) stiff(i int) {
	b.t.Helper()
	b.fleet.Pause(i)
	b.failed(i)
	b.fleet.Resume(i)
}

// failed waits until another server takes server i for dead. One that is in the
// middle of a MIGRATE to it may itself not answer for a while.
func (b *truth) failed(i int) {
	b.t.Helper()
	dead := b.fleet.Servers[i]
	b.until(dead.Name+" is taken for dead", func() bool {
		for _, other := range others(4, i) {
			nodes, _ := b.call(other, "CLUSTER", "NODES")
			for line := range strings.Lines(fmt.Sprint(nodes)) {
				if words := strings.Fields(line); len(words) > 2 && strings.HasPrefix(words[1], dead.Addr+"@") && strings.Contains(words[2], "fail") {
					return true
				}
			}
		}
		return false
	})
}

// unowned are the slots that nobody owns, as server i sees it.
func (b *bench) unowned(i int) slot.Set {
	b.t.Helper()
	all := slot.All()
	owners, err := b.fleet.Client(b.fleet.Servers[i]).ClusterSlots(context.Background()).Result()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, r := range owners {
		var owned slot.Set
		owned.AddRange(r.Start, r.End)
		all = all.Minus(owned)
	}
	return all
}
