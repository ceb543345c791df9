//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// truth is a bench whose clients are told no lie; see livetest.Truth.
type truth struct {
	*bench
	tr *livetest.Truth
}

// told demands that nothing that was acknowledged to a client is lost or went
// back, but for what the servers' own replication may lose.
func (b *truth) told() {
	b.t.Helper()
	r := b.tr.Audit()
	b.t.Log(r)
	for _, s := range r.Broken {
		b.t.Errorf("clients were told a lie: %s", s)
	}
	for _, s := range r.Own {
		b.t.Logf("went with a fallen master: %s", s)
	}
	if r.Writes == 0 || r.Reads == 0 {
		b.t.Error("the clients did nothing")
	}
}

// midway begins to apply a file and waits until slots are on their way. It
// returns the run and the ends of one move.
func (b *truth) midway(file string) (r *running, from, to int) {
	b.t.Helper()
	r = b.begin(file, "--timeout", "30s")
	at := b.amidst(r)
	return r, b.index(at.From), b.index(at.To)
}

// amidst waits until a run moves slots and a fiftieth of what a source had has
// left it, and returns that step. It asks the server: what a run tells once a second
// may come when all is done. Servers that move slots by themselves show nothing
// on the way.
func (b *bench) amidst(r *running) step {
	b.t.Helper()
	var at step
	r.reach("slots move", func(e event) bool {
		if e.stage("began", "Move") {
			at = e.Steps[0]
		}
		return at.From != ""
	})
	if b.wholeSlots() {
		return at
	}
	from := b.index(at.From)
	size := func() int64 { return b.do(from, "DBSIZE").(int64) }
	whole := size()
	b.until("keys leave "+at.From, func() bool { return size() < whole*49/50 })
	return at
}

// owner waits until a server owns slots: nobody is elected in the place of one that
// has none.
func (b *truth) owner(i int) *truth {
	b.t.Helper()
	name := b.fleet.Servers[i].Name
	b.until(name+" owns slots", func() bool { return b.members(i)[name].slots > 0 })
	return b
}

// wholeSlots says that the servers move whole slots by themselves: no event
// tells that some have arrived.
func (b *bench) wholeSlots() bool {
	return strings.Contains(livetest.Program("server"), "valkey-9")
}

// elected waits until a replica is the master.
func (b *truth) elected(replica int) {
	b.t.Helper()
	b.until(b.fleet.Servers[replica].Name+" is the master", func() bool { return b.info(replica, "replication", "role") == "master" })
}

// arrive finishes what a trouble was made in, and demands that all is well.
func (b *truth) arrive(file string, r *running) {
	b.t.Helper()
	if r.cmd.ProcessState == nil { // it was not killed
		o := r.end()
		b.t.Logf("the run in the trouble ended with %d", o.code)
	}
	// A key with two values is named, and nothing is decided for a person.
	for range 3 {
		o := b.run("apply", file, "--auto-approve")
		if o.code == 0 {
			break
		}
		if !strings.Contains(o.stdout, "delete the wrong one") {
			mentions(b.t, o.stdout, "delete them at")
		}
		chosen, err := b.tr.Choose()
		if err != nil {
			b.t.Error(err)
		}
		b.t.Logf("a person chose %q", chosen)
	}
	b.settled(file)
	b.fleet.Check(b.t)
	b.unmarked()
	b.told()
}

// Clients write and read while a cluster with replicas grows and shrinks, again
// and again, and each time something goes wrong in the middle: the run is
// killed; a master that gives slots, or one that gets them, is killed, failed
// over with its consent and without, or stands still for longer than the node
// timeout. Whatever a server acknowledged is there afterwards, and no read went
// back in time, but for what the servers' own replication loses (livetest.Truth
// tells the two apart). A key that got two values behind a failover in mid-slot
// is left to a person.
func TestClientsAreToldTheTruthWhateverFallsInAGrowOrAShrink(t *testing.T) {
	const filler = 60_000 // so that moves take a while
	base := newBench(t, livetest.Options{Servers: 8})
	three := base.write("three.yaml", shape{masters: 3, replicas: 1, nodes: first(6)})
	four := base.write("four.yaml", shape{masters: 4, replicas: 1, nodes: first(8)})
	base.apply(three)
	base.fleet.Write(t, filler, 64)
	tr := base.fleet.Truth(livetest.TruthOptions{Writers: 4, Readers: 3, Keys: 60, Body: 3000, Replicas: true, Pause: 2 * time.Millisecond})

	for _, c := range []struct {
		name string
		deed func(b *truth, r *running, from, to int)
	}{
		{"the run is killed, twice", func(b *truth, r *running, _, _ int) {
			r.kill()
			r, _, _ = b.midway(four)
			r.kill()
		}},
		{"the source is failed over", func(b *truth, _ *running, from, _ int) { b.handed(from, livetest.Agreed, "FAILOVER") }},
		{"the target is failed over", func(b *truth, _ *running, _, to int) { b.owner(to).handed(to, livetest.Agreed, "FAILOVER") }},
		{"the source is taken over", func(b *truth, _ *running, from, _ int) { b.handed(from, livetest.Unasked, "FAILOVER", "TAKEOVER") }},
		{"the target is taken over", func(b *truth, _ *running, _, to int) {
			b.owner(to).handed(to, livetest.Unasked, "FAILOVER", "TAKEOVER")
		}},
		{"the source is killed", func(b *truth, _ *running, from, _ int) { b.killed(from) }},
		{"the target is killed", func(b *truth, _ *running, _, to int) { b.owner(to).killed(to) }},
		{"the source stands still", func(b *truth, _ *running, from, _ int) { b.still(from) }},
		{"the target stands still", func(b *truth, _ *running, _, to int) { b.owner(to).still(to) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &truth{base.on(t), tr}
			file := four
			if len(b.masters(0)) == 4 {
				file = three
			}
			r, from, to := b.midway(file)
			c.deed(b, r, from, to)
			b.arrive(file, r)
		})
		if t.Failed() {
			return // what comes next would be judged by what is broken now
		}
	}
	if r := tr.Stop(); len(r.Broken) > 0 {
		t.Error(r)
	}
}

// handed has the replica of a master take its place by hand. The others refuse
// it their votes when it claims slots that have just gone to another master. So
// it is told again, as a person would, after the 5 s in which it may be elected.
func (b *truth) handed(i int, how livetest.How, command ...any) {
	b.t.Helper()
	replica := b.replicaOf(i)
	command = append([]any{"CLUSTER"}, command...)
	var told time.Time
	again := func() {
		told = time.Now()
		b.do(replica, command...)
	}
	b.tr.Fall(i, how, again)
	b.until(b.fleet.Servers[replica].Name+" is the master", func() bool {
		leads := b.info(replica, "replication", "role") == "master"
		if !leads && time.Since(told) > 7*time.Second {
			again()
		}
		return leads
	})
}

// killed kills a master and starts it again when its replica is elected.
func (b *truth) killed(i int) {
	b.t.Helper()
	replica := b.replicaOf(i)
	b.tr.Fall(i, livetest.Alone, func() { b.fleet.Kill(i) })
	b.elected(replica)
	b.fleet.Again(i)
}

// still suspends a master until its replica is elected.
func (b *truth) still(i int) {
	b.t.Helper()
	replica := b.replicaOf(i)
	b.tr.Fall(i, livetest.Alone, func() { b.fleet.Pause(i) })
	b.elected(replica)
	b.fleet.Resume(i)
}

// A person moves slots of a master with redis-cli, and the same slots are what a
// shrink moves elsewhere at the same time. Two who move one slot to two places
// are more than SETSLOT can bear, so whoever comes second has to see it.
func TestAPersonWhoMovesTheSameSlotsCostsNoKey(t *testing.T) {
	const filler = 20_000
	base := newBench(t, livetest.Options{Servers: 4})
	three := base.write("three.yaml", shape{masters: 3, nodes: first(3)})
	base.apply(base.write("four.yaml", shape{masters: 4, nodes: first(4)}))
	base.fleet.Write(t, filler, 64)
	b := &truth{base, base.fleet.Truth(livetest.TruthOptions{Writers: 4, Readers: 3, Keys: 60, Body: 5000, Pause: 2 * time.Millisecond})}
	done := make(chan error)
	go func() {
		_, err := b.fleet.CLI("--cluster", "reshard", b.fleet.Servers[0].Addr, "--cluster-from", b.id(3), "--cluster-to", b.id(1), "--cluster-slots", "800", "--cluster-yes")
		done <- err
	}()
	b.until("the person has begun", func() bool { return strings.Contains(b.do(3, "CLUSTER", "NODES").(string), "[") })
	r := b.begin(three, "--timeout", "30s")
	t.Logf("redis-cli: %v", <-done)
	b.arrive(three, r)
	if r := b.tr.Stop(); len(r.Broken) > 0 {
		t.Error(r)
	}
}
