//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A shard that is to leave does not answer, neither its master nor its replica.
// It is never removed, however often a run looks; when it is back the change
// goes on and loses nothing.
func TestALeavingShardThatIsSilentIsNeverRemoved(t *testing.T) {
	const keys = 5000
	b := newBench(t, livetest.Options{Servers: 8})
	b.apply(b.write("four.yaml", shape{masters: 4, replicas: 1, nodes: first(8)}))
	b.fleet.Write(t, keys, 32)
	stay := first(8)[:0:0]
	leaves := []int{b.owner(0, 0)}
	leaves = append(leaves, b.replicaOf(leaves[0]))
	for i := range 8 {
		if i != leaves[0] && i != leaves[1] {
			stay = append(stay, i)
		}
	}
	three := b.write("three.yaml", shape{masters: 3, replicas: 1, nodes: stay})
	for _, i := range leaves {
		b.fleet.Pause(i)
	}
	for range 2 { // the second time the others have flagged it failed
		b.heldBy(three, "NodeSilent", b.fleet.Servers[leaves[0]].Name)
		b.until("the shard is flagged failed", func() bool {
			return strings.Contains(b.members(stay[0])[b.fleet.Servers[leaves[0]].Name].flags, "fail")
		})
		for _, i := range stay {
			if known := b.members(i); len(known) != 8 || known[b.fleet.Servers[leaves[0]].Name].slots == 0 {
				t.Errorf("%s knows %v", b.fleet.Servers[i].Name, known)
			}
		}
	}
	for _, i := range leaves {
		b.fleet.Resume(i)
	}
	b.apply(three)
	b.fleet.Check(t)
	b.fleet.Read(t, keys, 32)
}

// The master of a shard that is being drained dies with slots left. Nothing is
// removed; its replica is elected and the drain goes on from there.
func TestADrainedMasterThatDiesIsFailedOverAndTheDrainGoesOn(t *testing.T) {
	const keys = 60_000
	b := newBench(t, livetest.Options{Servers: 8, Config: keyByKey()})
	b.apply(b.write("four.yaml", shape{masters: 4, replicas: 1, nodes: first(8)}))
	b.fleet.Write(t, keys, 64)
	leaver := b.owner(0, 16383)
	heir := b.replicaOf(leaver)
	var stay []int
	for i := range 8 {
		if i != leaver && i != heir {
			stay = append(stay, i)
		}
	}
	three := b.write("three.yaml", shape{masters: 3, replicas: 1, nodes: stay})
	r := b.begin(three, "--timeout", "20s")
	r.reach("slots move", event.moving)
	b.fleet.Kill(leaver)
	// The dead one is not removed on the others' word.
	o := r.ends(3)
	mentions(t, o.stdout, "NodeSilent", b.fleet.Servers[leaver].Name)
	// By its heir's word: who is importing a slot of it hears no claim by gossip.
	if m := b.members(heir)[b.fleet.Servers[leaver].Name]; m.id == "" || m.slots != 0 {
		t.Errorf("the dead master is known as %+v", m)
	}
	b.fleet.Again(leaver)
	b.apply(three)
	b.fleet.Check(t)
	b.fleet.Read(t, keys, 64)
	if n := len(b.members(stay[0])); n != 6 {
		t.Errorf("%d members are left, want 6", n)
	}
}

// A master is dead and its file does not name it any more, and its replica has
// not been elected yet. Forgetting the dead one now would bar the election for
// ever.
func TestADeadMastersReplicaIsNotBarredFromElection(t *testing.T) {
	const keys = 2000
	b := newBench(t, livetest.Options{Servers: 7})
	b.apply(b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6)}))
	b.fleet.Write(t, keys, 32)
	dead := b.owner(0, 0)
	heir := b.replicaOf(dead)
	b.set("cluster-replica-no-failover", "yes", heir)
	b.fleet.Kill(dead)
	without := b.write("without.yaml", shape{masters: 3, replicas: 1, nodes: others(7, dead)})
	for range 2 {
		b.heldBy(without, "NodeSilent", b.fleet.Servers[dead].Name)
		b.until("the dead master is flagged failed", func() bool {
			return strings.Contains(b.members(heir)[b.fleet.Servers[dead].Name].flags, "fail")
		})
	}
	b.set("cluster-replica-no-failover", "no", heir)
	b.until("the replica is elected", func() bool { return b.owner(heir, 0) == heir })
	b.until("everybody knows", func() bool {
		for _, i := range others(6, dead) {
			if b.owner(i, 0) != heir {
				return false
			}
		}
		return true
	})
	b.fleet.Read(t, keys, 32)
}

// others are the first n servers but one.
func others(n, but int) []int {
	var out []int
	for i := range n {
		if i != but {
			out = append(out, i)
		}
	}
	return out
}

// A node has to be forgotten by every member, or the one that missed it brings
// it back. While a member is silent nothing is forgotten; a replica that is dead
// for good is forgotten by all once everybody who stays answers.
func TestNothingIsForgottenWhileAMemberCannotHearOfIt(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 7})
	b.apply(b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6)}))
	b.fleet.Write(t, 1000, 32)
	leaver := b.replicaOf(b.owner(0, 0))
	deaf := b.replicaOf(b.owner(0, 8000))
	file := b.write("less.yaml", shape{masters: 3, replicas: 1, nodes: others(7, leaver)})
	b.fleet.Pause(deaf)
	b.fleet.Kill(leaver)
	b.until("the dead replica is flagged failed", func() bool {
		return strings.Contains(b.members(b.owner(0, 0))[b.fleet.Servers[leaver].Name].flags, "fail")
	})
	b.heldBy(file, "NodeSilent", b.fleet.Servers[deaf].Name)
	for _, i := range others(6, leaver) {
		if i != deaf && len(b.members(i)) != 6 {
			t.Errorf("%s knows %d nodes", b.fleet.Servers[i].Name, len(b.members(i)))
		}
	}
	b.fleet.Resume(deaf)
	b.until("the other one is back", func() bool { return b.linked(deaf) })
	o := b.apply(file)
	for _, i := range others(7, leaver) {
		if _, known := b.members(i)[b.fleet.Servers[leaver].Name]; known {
			t.Errorf("%s still knows the dead replica: %v", b.fleet.Servers[i].Name, o)
		}
	}
	b.fleet.Read(t, 1000, 32)
}

// The run is cut off from most of the cluster (they don't accept its login),
// which itself is whole. It sees a minority, and whatever its file wants, no
// slot changes hands, nobody takes over and nobody is forgotten.
func TestARunThatSeesAMinorityMovesAndRemovesNothing(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 8})
	same := b.write("same.yaml", shape{masters: 3, replicas: 1, nodes: first(6)})
	b.apply(same)
	b.fleet.Write(t, 1000, 32)
	less := b.write("less.yaml", shape{masters: 3, replicas: 0, nodes: first(6)})
	grow := b.write("grow.yaml", shape{masters: 4, replicas: 1, nodes: first(8)})
	seen := b.owner(0, 0)
	mate := b.replicaOf(seen)
	var hidden []int
	for _, i := range others(6, seen) {
		if i != mate {
			hidden = append(hidden, i)
		}
	}
	b.untouched(first(8), func() { b.hide(hidden, same, less) })
	b.untouched(first(8), func() { b.hide(append(hidden, mate), same, less) })
	before := b.members(seen)
	b.hide(hidden, grow)
	after := b.members(seen)
	for name, m := range before {
		// Newcomers that meet resolve their equal epochs, and with that may take
		// one that a member has, which then takes a new one itself.
		if now := after[name]; now.id != m.id || now.master != m.master || now.slots != m.slots {
			t.Errorf("%s was %s and is %s", name, m.line, now.line)
		}
	}
	b.fleet.Read(t, 1000, 32)
}

// hide demands that applies of files are held by servers that are out of sight.
func (b *bench) hide(servers []int, files ...string) {
	b.t.Helper()
	for _, i := range servers {
		defer b.lock(i)()
	}
	for _, file := range files {
		b.heldBy(file, "NodeSilent", b.fleet.Servers[servers[0]].Name)
	}
}

// lock has a server ask newcomers for a password, until the func returned is
// called. Links that are up stay up.
func (b *bench) lock(i int) func() {
	b.t.Helper()
	conn := b.fleet.Client(b.fleet.Servers[i]).Conn()
	set := func(value string) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := conn.Do(ctx, "CONFIG", "SET", "requirepass", value).Err(); err != nil {
			b.t.Fatal(err)
		}
	}
	set(fmt.Sprint("secret", i))
	return func() { set(""); _ = conn.Close() }
}
