//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// Keys don't reach the new master: it has no memory, it refuses the command, it
// hangs, the run dies in the middle of one. No slot that holds keys changes its
// owner before they are all there, every key is served all the time, and once
// the trouble is over the next run ends well.
func TestASlotIsNotHandedOverBeforeItsKeysAre(t *testing.T) {
	const keys = 60_000 // some in nearly every slot
	b := newBench(t, livetest.Options{Servers: 4, Config: keyByKey()})
	three := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
	four := b.write("four.yaml", shape{masters: 4, nodes: first(4)})
	b.apply(three)
	b.fleet.Write(t, keys, 64)
	for _, i := range []int{0, 1, 2} {
		b.do(i, "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('one', function() return 1 end)")
	}
	traffic := b.fleet.Traffic(2, time.Millisecond)

	t.Run("there is no room for them", func(t *testing.T) {
		b := b.on(t)
		for policy, code := range map[string]string{"noeviction": "NoMemory", "allkeys-lru": "WouldEvict"} {
			b.set("maxmemory-policy", policy, 3)
			b.set("maxmemory", "2500000", 3)
			b.heldBy(four, code, "n3")
			if n := b.members(0)["n3"].slots; n != 0 {
				t.Errorf("%s: n3 has %d slots", policy, n)
			}
		}
		b.set("maxmemory", "0", 3)
		b.set("maxmemory-policy", "noeviction", 3)
	})
	t.Run("they are refused", func(t *testing.T) {
		b := b.on(t)
		b.do(3, "ACL", "SETUSER", "default", "-restore", "-restore-asking")
		o := b.run("apply", four, "--auto-approve", "--timeout", "15s")
		if n := b.members(0)["n3"].slots; o.code == 0 || n > 500 { // there are slots without keys
			t.Errorf("n3 got %d slots and no keys: %v", n, o)
		}
		mentions(t, o.stdout+o.stderr, "NOPERM", "n3")
		b.fleet.Read(t, keys, 64)
		if got := fmt.Sprint(b.do(3, "FUNCTION", "LIST")); len(got) < 10 {
			t.Errorf("n3 was to get slots before it had the functions: %s", got)
		}
		b.do(3, "ACL", "SETUSER", "default", "+restore", "+restore-asking")
	})
	t.Run("the memory ends in the middle", func(t *testing.T) {
		b := b.on(t)
		r := b.begin(four, "--timeout", "8s")
		r.reach("slots move", event.moving)
		b.set("maxmemory", "1mb", 3)
		if o := r.end(); o.code == 0 {
			t.Errorf("nothing was refused: %v", o)
		}
		b.fleet.Read(t, keys, 64)
		b.set("maxmemory", "0", 3)
	})
	t.Run("the target hangs for a while", func(t *testing.T) {
		b := b.on(t)
		r := b.begin(four)
		if r.until(event.moving) {
			b.fleet.Pause(3)
			time.AfterFunc(1500*time.Millisecond, func() { b.fleet.Resume(3) }) // less than the node timeout
		}
		r.ends(0)
		b.settled(four)
		b.fleet.Read(t, keys, 64)
	})
	t.Run("the run dies while a key is on its way", func(t *testing.T) {
		b := b.on(t)
		r := b.begin(three)
		r.reach("slots move", event.moving)
		b.fleet.Pause(0)
		time.AfterFunc(300*time.Millisecond, r.kill) // the sources wait for n0 now
		time.AfterFunc(900*time.Millisecond, func() { b.fleet.Resume(0) })
		r.until(func(event) bool { return false })
		b.apply(three)
		b.fleet.Read(t, keys, 64)
	})
	kept(t, traffic.Stop())
	b.fleet.Check(t)
	b.unmarked()
}

// Keys that expire while they move are no error; the others keep the time they
// have to live, and none lives for ever.
func TestKeysThatExpireWhileTheyMoveStayMortal(t *testing.T) {
	const keys = 10_000
	b := newBench(t, livetest.Options{Servers: 4})
	b.apply(b.write("three.yaml", shape{masters: 3, nodes: first(3)}))
	b.fleet.Write(t, keys, 32)
	var writers sync.WaitGroup
	var quit atomic.Bool
	var mortal atomic.Int64
	for w := range 2 {
		writers.Go(func() {
			c := b.fleet.Cluster()
			for n := 0; !quit.Load(); n++ {
				ttl := time.Duration(200+n%20*100) * time.Millisecond
				if c.Set(context.Background(), fmt.Sprintf("mortal:%d:%d", w, n), "x", ttl).Err() == nil {
					mortal.Add(1)
				}
			}
		})
	}
	b.apply(b.write("four.yaml", shape{masters: 4, nodes: first(4)}))
	quit.Store(true)
	writers.Wait()
	if mortal.Load() < 1000 {
		t.Errorf("only %d mortal keys were written", mortal.Load())
	}
	b.until("all mortal keys are gone", func() bool { return b.fleet.Keys(t) == keys })
	b.fleet.Read(t, keys, 32)
}

// A command was renamed or forbidden on the servers. It is said which, and by
// whom, and nothing changes.
func TestARenamedCommandIsSaidPlainly(t *testing.T) {
	for _, command := range []string{"CONFIG", "MIGRATE", "CLUSTER"} {
		t.Run(command, func(t *testing.T) {
			b := newBench(t, livetest.Options{Servers: 3, Config: map[string]string{"rename-command": command + ` ""`}})
			file := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
			if command == "CLUSTER" {
				b.heldBy(file, "NodeSilent", "unknown command", "CLUSTER", "n0")
				return
			}
			b.createdByCLI(0)
			keys := keysOf(0, 5)
			fifth := keys[4]
			b.put(keys[:4])
			from := b.owner(0, 0)
			to := (from + 1) % 3
			b.halfway(0, from, to, nil, 0)
			asking := b.fleet.Client(b.fleet.Servers[to]).Conn()
			defer asking.Close()
			_ = asking.Do(context.Background(), "ASKING").Err()
			if err := asking.Do(context.Background(), "SET", fifth, fifth).Err(); err != nil {
				t.Fatal(err)
			}
			o := b.run("apply", file, "--auto-approve", "--timeout", "10s")
			if o.code == 0 {
				t.Errorf("nothing was said: %v", o)
			}
			mentions(t, o.stdout+o.stderr, "unknown command", command)
			b.found(keys)
		})
	}
}
