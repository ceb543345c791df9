//go:build e2e

package e2e

import (
	"regexp"
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A move tells people and programs what it has moved, how long clients wait for
// that, and the window it chose: never more than half of their budget.
func TestAMoveTellsWhatClientsWaitAndTheWindowItChose(t *testing.T) {
	const keys = 60_000
	b := newBench(t, livetest.Options{Servers: 4, Config: keyByKey()})
	three := b.write("three.yaml", shape{masters: 3, nodes: first(3), more: "  migration: {maxLatency: 10ms}\n"})
	four := b.write("four.yaml", shape{masters: 4, nodes: first(4), more: "  migration: {maxLatency: 10ms}\n"})
	b.apply(three)
	b.fleet.Write(t, keys, 64)

	ends := regexp.MustCompile(`orders: done: Move .* to n3: \S+ keys, \S+B, in \S+s, latency \S+s, window \S+s\n`)
	if o := b.apply(four); len(ends.FindAllString(o.stderr, -1)) != 3 {
		t.Errorf("not every move told of its end: %v", o)
	}
	told := 0
	r := b.begin(three)
	r.until(func(e event) bool {
		if e.moving() && e.Progress.Keys > 0 && e.Progress.Bytes > e.Progress.Keys && e.Progress.LatencyMicros > 0 && e.Progress.WindowMicros > 0 {
			told++
		}
		if e.Event == "progress" && e.Progress.WindowMicros > 5000 {
			t.Errorf("a window of %d us", e.Progress.WindowMicros)
		}
		return false
	})
	if o := r.ends(0); told == 0 {
		t.Errorf("nothing was told on the way: %v", o)
	}
	b.fleet.Read(t, keys, 64)
}
