package live

import "testing"

// The servers run on the machine that measures; a hundred of them take about
// 1 GB. Run with -bench and -benchtime 1x.

func BenchmarkCreatingAHundredNodes(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		servers := fleet(b, 50, 50, "--cluster-node-timeout", "15000")
		c := open(b, inventoryOf(servers...), Access{})
		b.StartTimer()
		create(b, c, 50, 50)
		b.StopTimer()
		for _, s := range servers {
			s.kill()
		}
		b.StartTimer()
	}
}

func BenchmarkAPassOverAHundredNodesThatChangesNothing(b *testing.B) {
	c := open(b, inventoryOf(fleet(b, 50, 50)...), Access{})
	create(b, c, 50, 50)
	for b.Loop() {
		observe(b, c)
	}
}
