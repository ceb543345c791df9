//go:build e2e

package e2e

import (
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A replica that left is blank on disk, too: restarted, it does not wake up with
// the keys of its earlier life and their slots, and can be used again at once.
func TestAServerThatLeftWakesUpBlank(t *testing.T) {
	for name, config := range map[string]map[string]string{
		"append-only file": nil,
		"dumps only":       {"appendonly": "no"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, livetest.Options{Servers: 6, Config: config})
			with := b.write("with.yaml", shape{masters: 3, replicas: 1, nodes: first(6), zones: abc(6)})
			without := b.write("without.yaml", shape{masters: 3, replicas: 0, nodes: first(3), zones: abc(6)})
			b.apply(with)
			b.fleet.Write(t, 3000, 16)
			b.apply(without)
			for i := 3; i < 6; i++ {
				b.fleet.Kill(i)
				b.fleet.Again(i)
			}
			b.apply(with)
			b.fleet.Check(t)
			b.fleet.Read(t, 3000, 16)
		})
	}
}
