//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// The whole life of a cluster under clients that write and read all the time:
// created, grown from 3 to 4 masters, shrunk back, one replica more, none. After
// each: no acknowledged write lost, redis-cli finds nothing wrong, as few slots
// moved as can be, and the next plan is empty.
func TestACommittedShapeIsReachedWithoutLosingAWrite(t *testing.T) {
	const keys = 100_000
	b := newBench(t, livetest.Options{Servers: 9})
	zones := abc(9)
	create := b.write("create.yaml", shape{masters: 3, replicas: 1, nodes: first(6), zones: zones})
	b.apply(create)
	b.fleet.Write(t, keys, 32)
	traffic := b.fleet.Traffic(4, time.Millisecond)

	for _, next := range []struct {
		name                   string
		shape                  shape
		move, follow, promoted int
	}{
		{"grow", shape{masters: 4, replicas: 1, nodes: first(8)}, 4096, 1, 0},
		{"shrink", shape{masters: 3, replicas: 1, nodes: first(6)}, 4096, 0, 0},
		{"two replicas", shape{masters: 3, replicas: 2, nodes: first(9)}, 0, 3, 0},
		{"no replicas", shape{masters: 3, replicas: 0, nodes: first(9)}, 0, 0, 0},
	} {
		next.shape.zones = zones
		file := b.write(next.name+".yaml", next.shape)
		p := b.plan(file)
		if p.Summary.MoveSlots != next.move || p.Summary.Follow != next.follow || p.Summary.Promote != next.promoted {
			t.Errorf("%s: want %d slots, %d follows, %d promotions, got %+v", next.name, next.move, next.follow, next.promoted, p.Summary)
		}
		b.apply(file)
		b.fleet.Check(t)
		t.Logf("%s: reached", next.name)
	}
	kept(t, traffic.Stop())
	b.fleet.Read(t, keys, 32)
}
