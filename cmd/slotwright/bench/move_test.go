//go:build bench

package bench

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// BenchmarkMigrate grows a cluster from three masters to four and shrinks it
// back while clients write and read, with MIGRATE.
func BenchmarkMigrate(b *testing.B) {
	plain := byRebalance("redis-cli --cluster rebalance")
	piped := byRebalance("redis-cli --cluster rebalance --cluster-pipeline 100", "--cluster-pipeline", "100")
	against := []*comparison{newComparison("MIGRATE", plain.name, bar{speed: 4}), newComparison("MIGRATE", piped.name, bar{speed: 2})}

	results.remark("slots move with %d keys of %d bytes in them; each figure is of one run, clients write and read meanwhile", keys(), size)
	still := func(*place) { time.Sleep(3 * time.Second) }
	way{name: "nothing moves", grow: still, back: still}.run(b, func(legs) {})
	for i, w := range []way{plain, piped} {
		w.run(b, against[i].peer)
	}
	for _, budget := range []time.Duration{5 * time.Millisecond, usual, 100 * time.Millisecond} {
		p99 := results.row(fmt.Sprintf("a client's p99 meanwhile, maxLatency %v", budget), "", bar{time: budget})
		byApply(fmt.Sprintf("slotwright, maxLatency %v", budget), budget).run(b, func(l legs) {
			p99.ours = append(p99.ours, l.grow.clients.P99)
			if budget == usual {
				against[0].ours(l)
				against[1].ours(l)
			}
		})
	}
}

// BenchmarkAtomic does the same with Valkey 9's atomic slot migration, and again
// on the same servers without it.
func BenchmarkAtomic(b *testing.B) {
	engine, err := filepath.Abs("../../../.engines/valkey-9.1")
	if err == nil {
		_, err = os.Stat(engine)
	}
	if err != nil {
		b.Fatalf("make engines unpacks it: %v", err)
	}
	b.Setenv("SLOTWRIGHT_ENGINE", engine)
	bare := way{name: "CLUSTER MIGRATESLOTS to all sources at once", grow: (*place).gather, back: (*place).scatter}
	cli := byRebalance("valkey-cli --cluster rebalance --cluster-use-atomic-slot-migration", "--cluster-use-atomic-slot-migration")
	piped := byRebalance("valkey-cli --cluster rebalance --cluster-pipeline 100", "--cluster-pipeline", "100")
	atomic := []*comparison{newComparison("Valkey 9.1, atomic", bare.name, bar{speed: 1 / 1.3}), newComparison("Valkey 9.1, atomic", cli.name, bar{})}
	migrate := newComparison("Valkey 9.1, MIGRATE", piped.name, bar{})
	for i, w := range []way{bare, cli} {
		w.run(b, atomic[i].peer)
	}
	piped.run(b, migrate.peer)
	byApply("slotwright, atomic", usual).run(b, func(l legs) {
		atomic[0].ours(l)
		atomic[1].ours(l)
	})
	one := byApply("slotwright, MIGRATE", usual)
	one.password, one.config = password, map[string]string{"masterauth": `""`} // sources that can't log in send key by key
	one.run(b, migrate.ours)
}

// way is one way of growing from three masters to four, and of going back.
type way struct {
	name       string
	grow, back func(*place)
	again      func(*place) // grows once more, from a server that has left; nil where grow can't
	password   string       // of the servers; "" is none
	config     map[string]string
}

func byApply(name string, budget time.Duration) way {
	to := func(masters int) func(*place) {
		return func(p *place) { p.apply(p.file(masters, 0, budget)) }
	}
	return way{name: name, grow: to(4), back: to(3), again: to(4)}
}

func byRebalance(name string, more ...string) way {
	rebalance := func(p *place, how ...string) {
		p.cli(append(append([]string{"--cluster", "rebalance", p.fleet.Servers[0].Addr}, how...), more...)...)
	}
	return way{
		name: name,
		grow: func(p *place) { rebalance(p, "--cluster-use-empty-masters") },
		back: func(p *place) { rebalance(p, "--cluster-weight", p.id(3)+"=0") },
	}
}

// leg is one deed on the way.
type leg struct {
	took    time.Duration
	moving  time.Duration // that part of it in which slots move
	clients livetest.Report
}

// legs are the whole way: a fourth server joins and serves, takes its quarter,
// gives it back; and for slotwright, which makes it leave then, joining and
// growing in one.
type legs struct{ join, grow, back, again leg }

// comparison is the rows of one peer.
type comparison struct{ grow, back, leave, again *row }

func newComparison(how, peer string, b bar) *comparison {
	return &comparison{
		grow:  results.row(how+", 3 to 4 masters", peer, b),
		back:  results.row(how+", 4 to 3 masters, the slots alone", peer, b),
		leave: results.row(how+", 4 to 3 masters, then the fourth redirects clients for 5 s and leaves", "", bar{}),
		again: results.row(how+", the fourth joins, then 3 to 4 masters", "add-node, "+peer, bar{}),
	}
}

func (c *comparison) ours(l legs) {
	c.grow.ours = append(c.grow.ours, l.grow.took)
	c.back.ours = append(c.back.ours, l.back.moving)
	c.leave.ours = append(c.leave.ours, l.back.took)
	c.again.ours = append(c.again.ours, l.again.took)
}

func (c *comparison) peer(l legs) {
	c.grow.peers = append(c.grow.peers, l.grow.took)
	c.back.peers = append(c.back.peers, l.back.took)
	c.again.peers = append(c.again.peers, l.join.took+l.grow.took)
}

const size = 128 // bytes of a value

// keys is how many keys the cluster holds.
func keys() int {
	if n, err := strconv.Atoi(os.Getenv("SLOTWRIGHT_BENCH_KEYS")); err == nil {
		return n
	}
	return 1_000_000
}

// run goes the way there and back on servers of its own.
func (w way) run(b *testing.B, record func(legs)) {
	b.Run(w.name, func(b *testing.B) {
		for b.Loop() {
			config := map[string]string{
				// A master without slots stays one, for redis-cli's way back.
				"appendonly": "no", "cluster-node-timeout": "15000", "cluster-allow-replica-migration": "no",
			}
			maps.Copy(config, w.config)
			p := newPlace(b, livetest.Options{Servers: 4, Config: config, Password: w.password})
			p.slotwright("apply", p.file(3, 0, usual), "--auto-approve")
			p.fleet.Write(b, keys(), size)
			var l legs
			l.join.took = timed(p.join)
			l.grow = p.watched(w.name+", 3 to 4", w.grow)
			l.back = p.watched(w.name+", 4 to 3", w.back)
			if w.again != nil {
				l.again = p.watched(w.name+", joining and 3 to 4", w.again)
			}
			record(l)
			if n := p.fleet.Keys(b); n < keys() {
				b.Fatalf("%d keys of %d are left", n, keys())
			}
		}
	})
}

// join makes the fourth server a member without slots, and waits until it serves:
// a fresh master does not for 5 seconds (cluster_legacy.c, CLUSTER_MAX_REJOIN_DELAY),
// and takes no key either.
func (p *place) join() {
	p.b.Helper()
	p.cli("--cluster", "add-node", p.fleet.Servers[3].Addr, p.fleet.Servers[0].Addr)
	p.served()
}

// watched measures a deed and what clients wait meanwhile.
func (p *place) watched(name string, deed func(*place)) leg {
	p.b.Helper()
	clients := p.fleet.Traffic(2, time.Millisecond)
	cpu := p.fleet.CPU()
	p.moving = 0
	took := timed(func() { deed(p) })
	cpu = p.fleet.CPU() - cpu
	r := clients.Stop()
	if len(r.Lost) > 0 {
		p.b.Fatalf("%s: lost %v", name, r.Lost)
	}
	whole := human(took)
	if p.moving > 0 {
		whole += fmt.Sprintf(", of which slots move for %s, its own processor time %s", human(p.moving), human(p.own))
	}
	results.remark("%s: %s, servers' processor time %s; a client's p50 %s, p99 %s, max %s (%d commands, %d failed)",
		name, whole, human(cpu), human(r.P50), human(r.P99), human(r.Max), r.Writes+r.Reads, r.Errors)
	return leg{took, cmp.Or(p.moving, took), r}
}
