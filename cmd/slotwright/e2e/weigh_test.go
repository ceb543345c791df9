//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec/slot"
)

// Nine of ten keys are in a few slots, or nearly all bytes: what moves is weighed
// slot by slot, and the receiver's memory is judged by that.
func TestWhatMovesIsWeighedBySlot(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 4, Config: map[string]string{"appendonly": "no"}})
	three := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
	four := b.write("four.yaml", shape{masters: 4, nodes: first(4)})
	b.apply(three)
	var moving slot.Set
	for _, s := range b.plan(four).Steps {
		slots, err := slot.Parse(s.Slots)
		if err != nil {
			t.Fatal(err)
		}
		moving = moving.Union(slots)
	}
	goes := slices.Collect(moving.Each())[:40]
	stays := slot.All().Minus(moving)
	still := slices.Collect(stays.Each())
	b.stuff(slices.Collect(moving.Each())[40:1040], 1, 100)
	b.stuff(still[:1000], 1, 100)
	heavy := slices.Concat(goes[:4], goes[36:])

	b.stuff(goes, 225, 100) // 9000 of 11000 keys, 90 % of them in 0.24 % of the slots
	b.stuff(heavy, 4, 1<<20)
	b.limit("20mb") // an even share of the bytes would fit
	p := b.plan(four)
	if p.count("Move") > 0 || len(p.Holds) == 0 || p.Holds[0].Code != "NoMemory" {
		t.Errorf("32 MB move to a node with 20, and the plan is %+v", p)
	}
	b.limit("0")
	p = b.plan(four)
	truth := b.weigh(moving)
	t.Logf("%d keys of %d bytes move: %+v", truth.keys, truth.bytes, p.Steps)
	if got := p.sum(); got.keys != truth.keys || !near(got.bytes, truth.bytes, 10) {
		t.Errorf("it tells of %+v, and it is %+v", got, truth)
	}

	b.drop(heavy)
	b.stuff(still[:32], 3, 1<<20)
	b.limit("12mb") // an even share of the bytes would not fit
	if p := b.plan(four); p.count("Move") != 3 || len(p.Holds) > 0 {
		t.Errorf("2 MB move to a node with 12, and the plan is %+v", p)
	}
	b.apply(four)
	b.fleet.Check(t)
}

// stuff writes so many keys of a size into each slot.
func (b *bench) stuff(slots []int, keys, size int) {
	b.t.Helper()
	c := b.fleet.Cluster()
	p := c.Pipeline()
	for _, s := range slots {
		for i := range keys {
			p.Set(b.t.Context(), fmt.Sprintf("{%s}%d:%d", tags()[s], i, size), strings.Repeat("x", size), 0)
		}
	}
	if _, err := p.Exec(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// drop deletes the large keys of slots.
func (b *bench) drop(slots []int) {
	b.t.Helper()
	c := b.fleet.Cluster()
	for _, s := range slots {
		for i := range 4 {
			if err := c.Del(b.t.Context(), fmt.Sprintf("{%s}%d:%d", tags()[s], i, 1<<20)).Err(); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// limit sets the maxmemory of the server that is to join.
func (b *bench) limit(maxmemory string) {
	b.t.Helper()
	if err := b.fleet.Client(b.fleet.Servers[3]).ConfigSet(b.t.Context(), "maxmemory", maxmemory).Err(); err != nil {
		b.t.Fatal(err)
	}
}

// load is some keys and what they take in memory.
type load struct{ keys, bytes int64 }

// weigh asks the three masters for every key of some slots.
func (b *bench) weigh(slots slot.Set) (all load) {
	b.t.Helper()
	for _, s := range b.fleet.Servers[:3] {
		c := b.fleet.Client(s)
		keys, err := c.Keys(b.t.Context(), "*").Result()
		if err != nil {
			b.t.Fatal(err)
		}
		for _, key := range keys {
			if slots.Has(slot.Of(key)) {
				bytes, err := c.MemoryUsage(b.t.Context(), key).Result()
				if err != nil {
					b.t.Fatal(err)
				}
				all = load{all.keys + 1, all.bytes + bytes}
			}
		}
	}
	return all
}

// sum is what the moves of a plan take along.
func (p plan) sum() (all load) {
	for _, s := range p.Steps {
		all = load{all.keys + s.Keys, all.bytes + s.Bytes}
	}
	return all
}

// near reports whether two numbers differ by so many percent of the second.
func near(got, want int64, percent int64) bool {
	return max(got-want, want-got)*100 <= want*percent
}

// tags are a hash tag of each slot.
var tags = sync.OnceValue(func() map[int]string {
	out := map[int]string{}
	for i := 0; len(out) < slot.Count; i++ {
		tag := fmt.Sprint("w", i)
		out[slot.Of(tag)] = tag
	}
	return out
})
