//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec/slot"
)

// Keys of every type, of a few bytes and of 100 kB, go to another master and
// back. What DUMP gives of each is the same to the byte, and each lives exactly
// as long as it was to. (Sets of words and hashes are dumped in the order of a
// hash table, which need not be the same: those are small here.)
func TestKeysOfEveryTypeArriveAsTheyWere(t *testing.T) {
	const each = 150
	b := newBench(t, livetest.Options{Servers: 4, Config: patient()})
	three := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
	four := b.write("four.yaml", shape{masters: 4, nodes: first(4)})
	b.apply(three)
	c := b.fleet.Cluster()
	ctx, long := context.Background(), strings.Repeat("x", 100_000)
	kinds := map[string]func(key string, i int) redis.Cmder{
		"string": func(key string, i int) redis.Cmder { return c.Set(ctx, key, i, 0) },
		"long":   func(key string, i int) redis.Cmder { return c.Set(ctx, key, fmt.Sprint(i, long), 0) },
		"bits":   func(key string, i int) redis.Cmder { return c.SetBit(ctx, key, int64(i*100), 1) },
		"list":   func(key string, i int) redis.Cmder { return c.RPush(ctx, key, members(600, i)...) },
		"set":    func(key string, i int) redis.Cmder { return c.SAdd(ctx, key, 1, 2, 3, 100+i) },
		"zset":   func(key string, i int) redis.Cmder { return c.ZAdd(ctx, key, scored(300, i)...) },
		"hash":   func(key string, i int) redis.Cmder { return c.HSet(ctx, key, "a", i, "b", -i) },
		"hll":    func(key string, i int) redis.Cmder { return c.PFAdd(ctx, key, members(50, i)...) },
		"stream": func(key string, i int) redis.Cmder {
			for k := range 50 {
				c.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: fmt.Sprintf("%d-1", k+1), Values: []any{"field", i}})
			}
			c.XGroupCreate(ctx, key, "group", "0")
			return c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "group", Consumer: "one", Streams: []string{key, ">"}, Count: 5})
		},
	}
	type state struct {
		dump string
		dies time.Duration // since 1970; negative for never
	}
	look := func(key string) state {
		t.Helper()
		dump, err := c.Dump(ctx, key).Result()
		dies := c.PExpireTime(ctx, key)
		if err != nil || dies.Err() != nil {
			t.Fatalf("%s: %v, %v", key, err, dies.Err())
		}
		return state{dump, dies.Val()}
	}
	before := map[string]state{}
	for kind, write := range kinds {
		for i := range each {
			key := fmt.Sprintf("%s:%d", kind, i)
			if err := write(key, i).Err(); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			if i%2 == 0 {
				c.Expire(ctx, key, time.Hour+time.Duration(i)*time.Minute)
			}
			before[key] = look(key)
		}
	}
	for _, file := range []string{four, three} {
		moved := b.apply(file)
		c = b.fleet.Cluster() // an idle client would ask servers that have left
		for key, was := range before {
			is := look(key)
			if is.dump != was.dump {
				t.Errorf("%s is %.40q, was %.40q", key, is.dump, was.dump)
			}
			// MIGRATE tells how long a key has to live, not when it dies: it
			// lives longer by the time it was on its way.
			if late := is.dies - was.dies; late < 0 || late > time.Minute || (was.dies < 0) != (is.dies < 0) {
				t.Errorf("%s dies at %s, was to at %s", key, is.dies, was.dies)
			}
		}
		if t.Failed() {
			t.Fatal(moved)
		}
	}
	if n := b.fleet.Keys(t); n != len(before) {
		t.Errorf("the masters hold %d keys, %d were written", n, len(before))
	}
}

// patient servers don't take each other for dead on a busy machine.
func patient() map[string]string { return map[string]string{"cluster-node-timeout": "6000"} }

func members(n, seed int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = fmt.Sprintf("member %d of %d", i, seed)
	}
	return out
}

func scored(n, seed int) []redis.Z {
	out := make([]redis.Z, n)
	for i := range out {
		out[i] = redis.Z{Score: float64(i*seed) / 7, Member: fmt.Sprint("member ", i)}
	}
	return out
}

// A hash of a million fields keeps both ends from answering while it moves. It
// stays where it is, is named, and holds up nothing but its slot when that would
// outlast the node timeout; with a longer timeout it moves, alone, and the run
// says what that costs.
func TestAHashOfAMillionFieldsMovesAloneOrStays(t *testing.T) {
	const keys, fields, hash = 20_000, 1_000_000, 5000 // a slot that a fourth master gets
	b := newBench(t, livetest.Options{Servers: 4, Config: map[string]string{"cluster-node-timeout": "1000", "appendonly": "no"}})
	b.apply(b.write("three.yaml", shape{masters: 3, nodes: first(3)}))
	four := b.write("four.yaml", shape{masters: 4, nodes: first(4), more: "  slots: {tolerance: 0%}\n"})
	p := b.plan(four)
	if !slices.ContainsFunc(p.Steps, func(s step) bool {
		set, err := slot.Parse(s.Slots)
		return err == nil && s.Kind == "Move" && set.Has(hash)
	}) {
		t.Fatalf("slot %d does not move: %+v", hash, p.Steps)
	}
	b.fleet.Write(t, keys, 32)
	key := keysOf(hash, 1)[0]
	c := b.fleet.Cluster()
	const fill = "for i = ARGV[1], ARGV[1] + ARGV[2] - 1 do redis.call('HSET', KEYS[1], 'field:' .. i, 'value of field ' .. i) end return 1"
	for i := 0; i < fields; i += 20_000 { // not all at once: that takes longer than the node timeout, too
		if err := c.Eval(context.Background(), fill, []string{key}, i, 20_000).Err(); err != nil {
			t.Fatal(err)
		}
	}
	from := b.owner(0, hash)
	// One slot more or less is even enough for any plan, so there is a second one.
	if err := c.SetRange(context.Background(), keysOf(hash+1, 1)[0], 60_000_000, "x").Err(); err != nil {
		t.Fatal(err)
	}
	there := func(owner int) {
		t.Helper()
		if now := b.owner(owner, hash); now != owner {
			t.Errorf("slot %d is n%d's", hash, now)
		}
		if n := b.do(owner, "HLEN", key); n != int64(fields) {
			t.Errorf("n%d has %v fields", owner, n)
		}
		if v := b.do(owner, "HGET", key, "field:777777"); v != "value of field 777777" {
			t.Errorf("a field is %q", v)
		}
		b.fleet.Read(t, keys, 32)
	}
	if b.wholeSlots() { // the server copies it while it answers
		b.apply(four)
		there(3)
		return
	}

	o := b.must(3, "apply", four, "--auto-approve")
	mentions(t, o.stdout, "HeavyKey", fmt.Sprintf("slot %d", hash), key, "cluster-node-timeout", "split the key, or raise the timeout")
	there(from)
	b.unmarked()
	if left := b.plan(four); left.Summary.MoveSlots != 2 {
		t.Errorf("%d slots have not moved, not two: %+v", left.Summary.MoveSlots, left.Steps)
	}

	b.set("cluster-node-timeout", "60000", first(4)...)
	r := b.begin(four)
	said := r.until(func(e event) bool { return e.Event == "progress" && strings.Contains(e.Progress.Text, key) })
	r.ends(0)
	if !said {
		t.Errorf("the run did not say that %s keeps servers from answering", key)
	}
	b.settled(four)
	there(3)
	b.unmarked()
}

// Nine keys of ten are in one slot of a hundred, and all of those slots move.
func TestSlotsThatHoldNearlyAllKeysMoveAsOthersDo(t *testing.T) {
	const hot, slots, cold = 45_000, 164, 5_000
	b := newBench(t, livetest.Options{Servers: 4, Config: patient()})
	three := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
	four := b.write("four.yaml", shape{masters: 4, nodes: first(4)})
	b.apply(three)
	b.fleet.Write(t, cold, 32)
	c := b.fleet.Cluster()
	tags := make([]string, slots)
	for i := range tags {
		tags[i] = keysOf(5000+i, 1)[0] // {tag}:0
	}
	all := func(do func(p redis.Pipeliner, key string)) []redis.Cmder {
		t.Helper()
		p := c.Pipeline()
		for i := range hot {
			do(p, fmt.Sprint(tags[i%slots], ":", i))
		}
		cmds, err := p.Exec(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return cmds
	}
	all(func(p redis.Pipeliner, key string) { p.Set(context.Background(), key, key, 0) })
	traffic := b.fleet.Traffic(2, time.Millisecond)
	b.apply(four)
	if n := b.do(3, "DBSIZE").(int64); n < hot {
		t.Errorf("n3 holds %d keys, %d were to move there", n, hot)
	}
	b.apply(three)
	kept(t, traffic.Stop())
	b.fleet.Check(t)
	b.fleet.Read(t, cold, 32)
	c = b.fleet.Cluster() // an idle client would ask servers that have left
	for i, cmd := range all(func(p redis.Pipeliner, key string) { p.Get(context.Background(), key) }) {
		if want := fmt.Sprint(tags[i%slots], ":", i); cmd.(*redis.StringCmd).Val() != want {
			t.Fatalf("%s is %q", want, cmd.(*redis.StringCmd).Val())
		}
	}
}
