//go:build e2e && engines

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// engine is the directory of an engine that `make engines` has unpacked.
func engine(t testing.TB, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("../../../.engines", name))
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "bin"))
	}
	if err != nil {
		t.Fatalf("no engine %s, run make engines: %v", name, err)
	}
	return dir
}

// upgrades are the pairs between which people upgrade.
var upgrades = []struct{ older, newer string }{{"redis-7.0", "redis-8.0"}, {"valkey-8", "valkey-9.1"}}

// mixed are servers of which those in newer run the newer engine.
func mixed(t testing.TB, older, newer string, servers int, isNewer func(i int) bool) *bench {
	t.Helper()
	opts := livetest.Options{Servers: servers}
	for i := range servers {
		dir := engine(t, older)
		if isNewer(i) {
			dir = engine(t, newer)
		}
		opts.Engines = append(opts.Engines, dir)
	}
	return newBench(t, opts)
}

// In the middle of an upgrade replicas run the newer engine and masters the
// older one. The cluster is created like that, grown and shrunk under clients.
func TestAClusterIsGrownAndShrunkInTheMiddleOfAnUpgrade(t *testing.T) {
	const keys = 10_000
	for _, u := range upgrades {
		t.Run(u.older+" and "+u.newer, func(t *testing.T) {
			b := mixed(t, u.older, u.newer, 8, func(i int) bool { return i > 2 && i != 6 })
			zones := []string{"a", "b", "c", "b", "c", "a", "a", "b"}
			three := b.write("three.yaml", shape{masters: 3, replicas: 1, nodes: first(6), zones: zones})
			four := b.write("four.yaml", shape{masters: 4, replicas: 1, nodes: first(8), zones: zones})
			b.apply(three)
			b.fleet.Write(t, keys, 32)
			traffic := b.fleet.Traffic(2, time.Millisecond)
			for _, file := range []string{four, three} {
				b.apply(file)
				b.fleet.Check(t)
				if masters := b.masters(0); !slices.Contains(masters, "n0") || slices.ContainsFunc(masters, func(m string) bool { return strings.Contains("n3 n4 n5 n7", m) }) {
					t.Errorf("the masters are %v", masters)
				}
			}
			kept(t, traffic.Stop())
			b.fleet.Read(t, keys, 32)
		})
	}
}
