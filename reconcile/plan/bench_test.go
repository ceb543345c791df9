package plan

import (
	"fmt"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// BenchmarkMake plans clusters of n nodes with one replica each in three zones:
// their creation, a pass that changes nothing, and growth by a tenth.
func BenchmarkMake(b *testing.B) {
	for _, n := range []int{10, 30, 100, 300, 1000} {
		zones := func(i int) string { return fmt.Sprintf("%c-%04d", 'a'+i%3, i/3) }
		benchmarkMake(b, n, "zones", zones)
	}
	for _, n := range []int{100, 300, 1000} {
		hosts := func(i int) string { return fmt.Sprintf("h%04d-0", i) }
		benchmarkMake(b, n, "hosts", hosts)
	}
}

func benchmarkMake(b *testing.B, n int, domains string, name func(int) string) {
	more := n + max(2, n/10/2*2)
	small, large := shape(n), shape(more)
	empty := blanks(n, name)
	steady := after(empty, Make(small, empty).Steps)
	grown := steady
	grown.Nodes = append(grown.Nodes[:n:n], blanks(more, name).Nodes[n:]...)
	for _, c := range []struct {
		what string
		want spec.Topology
		seen cluster.State
	}{{"create", small, empty}, {"steady", small, steady}, {"grow", large, grown}} {
		b.Run(fmt.Sprintf("%s/%s/%d", domains, c.what, n), func(b *testing.B) {
			b.ReportAllocs()
			steps := 0
			for b.Loop() {
				steps = len(Make(c.want, c.seen).Steps)
			}
			b.ReportMetric(float64(steps), "steps")
		})
	}
}

func shape(nodes int) spec.Topology {
	return spec.Topology{
		Name: "orders", Masters: nodes / 2, ReplicasPerMaster: 1, ZoneSpread: spec.Required, Failback: true,
		State: spec.Present, Slots: spec.Slots{Tolerance: 0.02}, Platform: spec.Platform{Static: &spec.Static{}},
	}
}

func blanks(n int, name func(int) string) cluster.State {
	var now cluster.State
	for i := range n {
		m := blankNode(name(i))
		now.Nodes = append(now.Nodes, m)
	}
	return now
}
