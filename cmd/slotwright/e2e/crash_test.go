//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

var seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the moments at which runs are killed")

// crasher kills runs on one cluster under clients.
type crasher struct {
	*bench
	random *rand.Rand
	keys   int
	kills  int
}

// Runs are killed with SIGKILL at every boundary they tell of and at random
// moments, while clients write and read: in a grow, in the shrink of one shard
// and of two, and when replicas are added and taken away. Each change is first
// cut at a random moment and taken back, then cut again and again until it is
// reached. After each: no key lost, redis-cli finds nothing wrong, the next plan
// is empty, and servers have back what was switched on them.
func TestARunKilledAnywhereIsTakenUpOrTakenBack(t *testing.T) {
	const keys = 20_000
	b := newBench(t, livetest.Options{Servers: 9})
	c := &crasher{bench: b, random: rand.New(rand.NewPCG(*seed, 0)), keys: keys}
	t.Logf("seed %d", *seed)
	zones := abc(9)
	now := b.write("3x1.yaml", shape{masters: 3, replicas: 1, nodes: first(6), zones: zones})
	b.apply(now)
	b.fleet.Write(t, keys, 64)
	traffic := b.fleet.Traffic(3, time.Millisecond)

	for _, next := range []struct {
		name  string
		shape shape
	}{
		{"grow", shape{masters: 4, replicas: 1, nodes: first(8)}},
		{"shrink", shape{masters: 3, replicas: 1, nodes: first(6)}},
		{"two replicas", shape{masters: 3, replicas: 2, nodes: first(9)}},
		{"no replicas", shape{masters: 3, replicas: 0, nodes: first(9)}},
		{"two shards more", shape{masters: 5, replicas: 0, nodes: first(9)}},
		{"two shards less", shape{masters: 3, replicas: 0, nodes: first(3)}},
	} {
		next.shape.zones = zones
		file := b.write(next.name+".yaml", next.shape)
		begun, before := time.Now(), c.kills
		c.cut(file, c.anywhere(2*time.Second))
		c.whole(now)
		c.again(file)
		c.whole(file)
		t.Logf("%s: reached after %d kills, %s", next.name, c.kills-before, time.Since(begun).Round(time.Second))
		now = file
	}
	kept(t, traffic.Stop())
	b.fleet.Read(t, keys, 64)
}

// again applies a file and is killed at one boundary after the other until a
// run comes to its end.
func (c *crasher) again(file string) {
	c.t.Helper()
	boundaries := []func(*running) bool{
		func(r *running) bool { return r.until(func(e event) bool { return e.Event == "began" }) },
		func(r *running) bool {
			return r.until(func(e event) bool { return e.Event == "progress" && e.Progress.Done >= e.Progress.Total })
		},
		func(r *running) bool { return r.until(func(e event) bool { return e.Event == "ended" }) },
		c.anywhere(500 * time.Millisecond),
	}
	for i := range 60 {
		if !c.cut(file, boundaries[i%len(boundaries)]) {
			return
		}
	}
	c.t.Fatalf("%s is not reached after 60 kills", file)
}

// anywhere is a moment less than most after the first stage began.
func (c *crasher) anywhere(most time.Duration) func(*running) bool {
	return func(r *running) bool {
		if !r.until(func(e event) bool { return e.Event == "began" }) {
			return false
		}
		time.Sleep(time.Duration(c.random.Int64N(int64(most)))) // any moment is good
		return true
	}
}

// cut kills a run at a moment. It reports false when the run ended before, and
// then demands that it reached its topology.
func (c *crasher) cut(file string, moment func(*running) bool) bool {
	c.t.Helper()
	r := c.begin(file)
	if moment(r) {
		r.kill()
		c.kills++
		return true
	}
	r.ends(0)
	return false
}

// whole applies a file and demands that everything is as if nothing had been
// killed.
func (c *crasher) whole(file string) {
	c.t.Helper()
	c.apply(file)
	c.fleet.Check(c.t)
	c.givenBack()
	c.fleet.Read(c.t, c.keys, 64)
}

// givenBack demands the defaults of what slotwright switches for its own work,
// at every server.
func (b *bench) givenBack() {
	b.t.Helper()
	var left []string
	if !livetest.Eventually(45*time.Second, func() bool { left = b.borrowed(); return len(left) == 0 }) {
		b.t.Errorf("not put back: %v", left)
	}
}

// borrowed are the servers on which something is switched for a run. A daemon
// tells that the shape is reached before it has put everything back.
func (b *bench) borrowed() []string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out []string
	for _, s := range b.fleet.Servers {
		got, err := b.fleet.Client(s).ConfigGet(ctx, "cluster-*mi*ration*").Result()
		if err != nil || got["cluster-allow-replica-migration"] != "yes" || got["cluster-migration-barrier"] != "1" {
			out = append(out, fmt.Sprintf("%s has %v: %v", s.Name, got, err))
		}
	}
	return out
}
