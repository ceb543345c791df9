//go:build e2e

package e2e

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// Two runs from two machines, which share no files: one acts, the other one says
// that it does.
func TestTwoRunsAtOnceOneActs(t *testing.T) {
	const keys = 40_000
	b := newBench(t, livetest.Options{Servers: 4, Config: keyByKey()})
	three := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
	four := b.write("four.yaml", shape{masters: 4, nodes: first(4)})
	b.apply(three)
	b.fleet.Write(t, keys, 64)
	elsewhere := *b
	elsewhere.env = append(elsewhere.env[:len(elsewhere.env):len(elsewhere.env)], "SLOTWRIGHT_STATE_DIR="+filepath.Join(b.dir, "elsewhere"))

	r := b.begin(four)
	r.reach("it acts", func(e event) bool { return e.Event == "began" })
	o := elsewhere.must(3, "apply", four, "--auto-approve")
	mentions(t, o.stdout+o.stderr, "Busy", "another run")
	r.ends(0)
	b.settled(four)

	again := b.write("again.yaml", shape{masters: 4, nodes: first(4), more: "  slots: {weights: {a: 1, b: 2}}\n", zones: []string{"a", "a", "a", "b"}})
	one, two := b.begin(again), elsewhere.begin(again)
	for i, o := range []outcome{one.end(), two.end()} {
		if o.code != 0 && !(o.code == 3 && strings.Contains(o.stdout, "Busy")) {
			t.Errorf("run %d: %v", i, o)
		}
	}
	b.apply(again)
	b.fleet.Check(t)
	b.fleet.Read(t, keys, 64)
}

// A person fails a shard over in the middle of a run, at a master that gives
// slots away and at one that gets them: the run goes on with who leads now.
func TestAFailoverByHandDoesNotStopARun(t *testing.T) {
	const keys = 60_000
	b := newBench(t, livetest.Options{Servers: 8, Config: keyByKey()})
	b.apply(b.write("three.yaml", shape{masters: 3, replicas: 1, nodes: first(6)}))
	b.fleet.Write(t, keys, 64)
	four := b.write("four.yaml", shape{masters: 4, replicas: 1, nodes: first(8)})
	source := b.replicaOf(b.owner(0, 0))
	r := b.begin(four)
	r.reach("slots move", event.moving)
	b.do(source, "CLUSTER", "FAILOVER")
	if r.until(event.moving) {
		for i := 6; i < 8; i++ {
			if b.info(i, "replication", "role") == "slave" {
				_, _ = b.call(i, "CLUSTER", "FAILOVER") // it may own nothing yet, or be done
			}
		}
	}
	r.ends(0)
	b.settled(four)
	b.fleet.Check(t)
	b.unmarked()
	b.fleet.Read(t, keys, 64)
}

// A drain is cut, and the commit changed for another one: what was begun is taken
// back, the other shard is drained, and no key is lost.
func TestADrainIsChangedForAnotherOne(t *testing.T) {
	const keys = 40_000
	b := newBench(t, livetest.Options{Servers: 4, Config: keyByKey()})
	b.apply(b.write("four.yaml", shape{masters: 4, nodes: first(4)}))
	b.fleet.Write(t, keys, 64)
	r := b.begin(b.write("without3.yaml", shape{masters: 3, nodes: others(4, 3)}))
	r.reach("slots move", event.moving)
	r.kill()
	b.apply(b.write("without2.yaml", shape{masters: 3, nodes: others(4, 2)}))
	b.fleet.Check(t)
	if known := b.members(0); known["n3"].slots == 0 || len(known) != 3 {
		t.Errorf("the members are %v", known)
	}
	b.fleet.Read(t, keys, 64)
}

// The sync of a new replica takes long. It is waited for, not begun again, and
// the node it replaces stays until the new one has the data.
func TestALongSyncIsWaitedForAndNotBegunAgain(t *testing.T) {
	const keys = 3000
	b := newBench(t, livetest.Options{Servers: 7})
	b.apply(b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6)}))
	b.fleet.Write(t, keys, 32)
	master := b.owner(0, 0)
	old := b.replicaOf(master)
	before := b.syncs(master)
	b.set("loading-process-events-interval-bytes", "1024", 6)
	b.set("key-load-delay", "5000", 6) // microseconds a key
	file := b.write("new.yaml", shape{masters: 3, replicas: 1, nodes: others(7, old)})
	r := b.begin(file)
	r.reach("the new one follows", func(e event) bool { return e.stage("began", "Follow") })
	b.until("the sync begins", func() bool { return b.syncs(master) > before })
	if _, known := b.members(master)[b.fleet.Servers[old].Name]; !known {
		t.Error("the old replica was forgotten before the new one had the data")
	}
	r.ends(0)
	b.settled(file)
	if n := b.syncs(master) - before; n != 1 {
		t.Errorf("%d syncs were begun, want 1", n)
	}
	b.fleet.Read(t, keys, 32)
}

// syncs is how many full syncs server i has begun.
func (b *bench) syncs(i int) int {
	b.t.Helper()
	n, err := strconv.Atoi(b.info(i, "stats", "sync_full"))
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// A run dies when the last slot of a shard has left: its master is still one,
// and its replica is still its own, although servers would have rearranged both.
func TestADrainedShardIsNotRearrangedByTheServers(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 8})
	b.apply(b.write("four.yaml", shape{masters: 4, replicas: 1, nodes: first(8)}))
	b.fleet.Write(t, 5000, 32)
	master := b.owner(0, 16383)
	replica := b.replicaOf(master)
	var stay []int
	for i := range 8 {
		if i != master && i != replica {
			stay = append(stay, i)
		}
	}
	three := b.write("three.yaml", shape{masters: 3, replicas: 1, nodes: stay})
	r := b.begin(three)
	r.reach("the shard is drained", func(e event) bool { return e.stage("ended", "Move") })
	r.kill()
	for _, i := range stay {
		known := b.members(i)
		if m := known[b.fleet.Servers[master].Name]; m.id != "" && (m.slots != 0 || !strings.Contains(m.flags, "master")) {
			t.Errorf("%s knows the drained master as %+v", b.fleet.Servers[i].Name, m)
		}
	}
	if b.info(master, "replication", "role") != "master" {
		t.Error("the drained master follows somebody")
	}
	b.apply(three)
	b.fleet.Check(t)
	b.givenBack()
	for _, i := range []int{master, replica} {
		if n := b.fleet.Client(b.fleet.Servers[i]).DBSize(context.Background()).Val(); n != 0 || len(b.members(i)) != 1 {
			t.Errorf("n%d, which left, has %d keys and knows %d nodes", i, n, len(b.members(i)))
		}
	}
	b.fleet.Read(t, 5000, 32)
}
