package live

import (
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// The servers run on the machine that measures; a hundred of them take about
// 1 GB. Run with -bench and -benchtime 1x.

func BenchmarkCreatingAHundredNodes(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		servers := hundred(b)
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
	c := open(b, inventoryOf(hundred(b)...), Access{})
	create(b, c, 50, 50)
	for b.Loop() {
		observe(b, c)
	}
}

// hundred starts a hundred servers. They announce their address instead of
// speaking from it: the kernel takes milliseconds to find a free port for each
// of ten thousand connections that are bound to one source address.
func hundred(b *testing.B) []*server {
	b.Helper()
	const host = "127.22.0.1"
	return serve(b, livetest.Options{Host: host, Config: map[string]string{
		"bind-source-addr": `""`, "cluster-announce-ip": host, "cluster-node-timeout": "15000",
		"appendonly": "no",
	}}, seats(50, 50)...)
}
