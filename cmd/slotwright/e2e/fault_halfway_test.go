//go:build e2e

package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A slot is half-moved: by a person, or by a run that died. Whatever happened to
// it since, it ends with one owner, all its keys there, and no mark anywhere.
func TestAHalfMovedSlotIsClosedWithAllItsKeys(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 6})
	b.createdByCLI(1)
	file := b.write("orders.yaml", shape{masters: 3, replicas: 1, nodes: first(6)})
	b.settled(file)
	for s, c := range []struct {
		name string
		then func(b *bench, s, from, to int, keys []string)
	}{
		{"a person began and moved nothing", func(b *bench, s, from, to int, keys []string) { b.halfway(s, from, to, keys, 0) }},
		{"a person moved half of the keys", func(b *bench, s, from, to int, keys []string) { b.halfway(s, from, to, keys, 4) }},
		{"a key was copied and not deleted", func(b *bench, s, from, to int, keys []string) {
			b.halfway(s, from, to, keys, 2)
			host, port, _ := strings.Cut(b.fleet.Servers[to].Addr, ":")
			b.do(from, "MIGRATE", host, port, keys[3], 0, 5000, "COPY")
		}},
		{"the target was told, the source and the others were not", func(b *bench, s, from, to int, keys []string) {
			b.halfway(s, from, to, keys, len(keys))
			b.do(to, "CLUSTER", "SETSLOT", s, "NODE", b.id(to))
		}},
		{"the target failed over", func(b *bench, s, from, to int, keys []string) {
			b.halfway(s, from, to, keys, 4)
			b.failover(b.replicaOf(to))
		}},
		{"both failed over, and their marks with them or lost", func(b *bench, s, from, to int, keys []string) {
			b.halfway(s, from, to, keys, 4)
			b.failover(b.replicaOf(from))
			b.failover(b.replicaOf(to))
			if marksFollow() {
				return
			}
			b.until("status tells of 4 keys astray", func() bool {
				return strings.Contains(b.must(0, "status", file).stdout, "4 keys of slot")
			})
		}},
		{"the source failed over", func(b *bench, s, from, to int, keys []string) {
			b.halfway(s, from, to, keys, 4)
			b.failover(b.replicaOf(from))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := b.on(t)
			keys := keysOf(s, 8)
			b.put(keys)
			from := b.owner(0, s)
			to := b.owner(from, 16383)
			c.then(b, s, from, to, keys)
			b.apply(file)
			b.found(keys)
			b.unmarked()
		})
	}
	b.fleet.Check(t)
}

// A slot is half-moved to a server that is gone for good. Nobody knows whether
// keys are there alone, so it stays open until a person has the server
// forgotten; what its owner still has is served all the time.
func TestAHalfMovedSlotWaitsForItsDeadEnd(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 4})
	three := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
	b.apply(three)
	keys := keysOf(7, 8)
	b.put(keys)
	host, port, _ := strings.Cut(b.fleet.Servers[3].Addr, ":")
	b.do(0, "CLUSTER", "MEET", host, port)
	b.until("everybody knows n3", func() bool {
		for i := range 4 {
			if len(b.members(i)) != 4 {
				return false
			}
		}
		return b.do(3, "CLUSTER", "INFO") != nil && strings.Contains(b.do(3, "CLUSTER", "INFO").(string), "cluster_state:ok")
	})
	from := b.owner(0, 7)
	b.halfway(7, from, 3, keys, 4)
	b.fleet.Kill(3)

	four := b.write("four.yaml", shape{masters: 4, nodes: first(4)})
	for _, file := range []string{three, four} {
		b.heldBy(file, "NodeSilent", "keys may be there alone")
		if owner := b.owner(0, 7); owner != from {
			t.Errorf("the slot is now n%d's", owner)
		}
		if !strings.Contains(b.do(from, "CLUSTER", "NODES").(string), "[7->-") {
			t.Error("the slot was closed")
		}
		b.found(keys[4:])
	}

	id := b.members(0)["n3"].id
	for i := range 3 {
		b.do(i, "CLUSTER", "FORGET", id)
	}
	b.apply(three)
	b.found(keys[4:])
	if text := b.do(from, "CLUSTER", "NODES").(string); strings.Contains(text, "[") {
		t.Errorf("the slot is still open: %s", text)
	}
}

// A slot is half-moved to a master that dies, and whose replica takes its place with
// what it had got of the keys. The dead one is not waited for: clients would find none
// of them until it is back.
func TestAHalfMovedSlotGoesOnFromTheHeirOfItsDeadEnd(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 6})
	b.createdByCLI(1)
	file := b.write("orders.yaml", shape{masters: 3, replicas: 1, nodes: first(6)})
	b.settled(file)
	keys := keysOf(7, 8)
	b.put(keys)
	from := b.owner(0, 7)
	to := b.owner(from, 16383)
	b.halfway(7, from, to, keys, 6)
	heir := b.replicaOf(to)
	b.until("the replica has the keys", func() bool { return b.do(heir, "CLUSTER", "COUNTKEYSINSLOT", 7) == int64(6) })
	b.fleet.Kill(to)
	b.until("the replica leads", func() bool {
		return strings.Contains(b.do(heir, "INFO", "replication").(string), "role:master")
	})
	o := b.run("apply", file, "--auto-approve", "--timeout", "10s") // the dead one is missed yet
	mentions(t, o.stdout+o.stderr, "done: Close 7 (1 slot)")
	b.found(keys)
	if text := b.do(from, "CLUSTER", "NODES").(string); strings.Contains(text, "[") {
		t.Errorf("the slot is still open: %s", text)
	}
}

// Two values of one key, at both ends of a half-moved slot: nobody but a person
// can say which is right. The slot stays where it is, both values stay, the key
// is named; with the wrong one deleted the same run ends well.
func TestTwoValuesOfOneKeyAreNotChosenBetween(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 3})
	file := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
	b.apply(file)
	keys := keysOf(7, 4)
	b.put(keys)
	from := b.owner(0, 7)
	to := (from + 1) % 3
	b.halfway(7, from, to, keys, 0)
	asking := b.fleet.Client(b.fleet.Servers[to]).Conn()
	defer asking.Close()
	for _, cmd := range [][]any{{"ASKING"}, {"SET", keys[1], "another"}} {
		if err := asking.Do(context.Background(), cmd...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.heldBy(file, "TwoValues", "slot 7", keys[1], b.fleet.Servers[from].Name, b.fleet.Servers[to].Name, "ASKING")
	if owner := b.owner(to, 7); owner != from {
		t.Errorf("the slot is now n%d's", owner)
	}
	if n := b.do(from, "CLUSTER", "COUNTKEYSINSLOT", 7).(int64) + b.do(to, "CLUSTER", "COUNTKEYSINSLOT", 7).(int64); n != 5 {
		t.Errorf("%d keys are at both ends, want 5", n)
	}
	for _, cmd := range [][]any{{"ASKING"}, {"DEL", keys[1]}} {
		if err := asking.Do(context.Background(), cmd...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.apply(file)
	b.found(keys)
	b.unmarked()
}

// The source of a half-moved slot fails over, and with its mark the knowledge
// that keys have left goes: a client finds none, and writes one anew. What
// explain says to do then ends it well. Where the heir has the mark it sends the
// client on, and there is one value only.
func TestAKeyWrittenAnewBehindAFailoverIsTwoValues(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 6})
	b.createdByCLI(1)
	file := b.write("orders.yaml", shape{masters: 3, replicas: 1, nodes: first(6)})
	keys := keysOf(7, 8)
	b.put(keys)
	from := b.owner(0, 7)
	to := b.owner(from, 16383)
	b.halfway(7, from, to, keys, 4)
	b.failover(b.replicaOf(from))
	clients := b.fleet.Cluster()
	for _, key := range []string{keys[1], keys[2]} {
		if err := clients.Set(t.Context(), key, "anew", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if marksFollow() {
		b.apply(file)
		b.found(append(keys[3:], keys[0]))
		for _, key := range keys[1:3] {
			if got := clients.Get(t.Context(), key).Val(); got != "anew" {
				t.Errorf("%s is %q", key, got)
			}
		}
		b.unmarked()
		return
	}
	o := b.must(3, "apply", file, "--auto-approve")
	mentions(t, o.stdout, "TwoValues", keys[1], keys[2], b.fleet.Servers[to].Name)
	if strings.Contains(o.stdout+o.stderr, "anew") {
		t.Errorf("a value is told: %v", o)
	}
	host, port, _ := strings.Cut(b.fleet.Servers[to].Addr, ":")
	for _, key := range []string{keys[1], keys[2]} {
		recipe := exec.CommandContext(t.Context(), "sh", "-c", `printf 'ASKING\nDEL %s\n' "$1" | redis-cli -h "$2" -p "$3"`, "sh", key, host, port)
		if out, err := recipe.CombinedOutput(); err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "1") {
			t.Fatalf("%v: %s", err, out)
		}
	}
	b.apply(file)
	b.found(append(keys[3:], keys[0]))
	for _, key := range []string{keys[1], keys[2]} {
		if got := clients.Get(t.Context(), key).Val(); got != "anew" {
			t.Errorf("%s is %q", key, got)
		}
	}
	b.unmarked()
}

// Nobody owns a slot, but a master holds keys of it. The slot is given to nobody
// unless the loss is permitted, and then the keys that are there are still found.
func TestASlotThatNobodyOwnsIsNotGivenAway(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 3})
	with := shape{masters: 3, nodes: first(3)}
	file := b.write("three.yaml", with)
	b.apply(file)
	keys := keysOf(7, 4)
	b.put(keys)
	holder := b.owner(0, 7)
	for _, i := range []int{holder, 0, 1, 2} {
		_, _ = b.call(i, "CLUSTER", "DELSLOTS", 7) // the first one has it no more
	}
	b.until("nobody owns the slot", func() bool {
		return b.owner(0, 7) == -1 && b.owner(1, 7) == -1 && b.owner(2, 7) == -1
	})
	b.untouched(first(3), func() { b.heldBy(file, "LostSlots", "7") })
	with.more = "  allow: {dataLoss: [7]}\n"
	b.must(0, "apply", b.write("allowed.yaml", with), "--auto-approve")
	b.fleet.Check(t)
	b.found(keys)
}
