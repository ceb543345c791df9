//go:build bench

package bench

import (
	"fmt"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec/slot"
)

// id is the node ID of server i.
func (p *place) id(i int) string {
	p.b.Helper()
	id, err := p.client(i).Do(p.b.Context(), "CLUSTER", "MYID").Text()
	if err != nil {
		p.b.Fatal(err)
	}
	return id
}

// owned are the slots of server i as it says itself.
func (p *place) owned(i int) slot.Set {
	p.b.Helper()
	id := p.id(i)
	shards, err := p.client(i).ClusterShards(p.b.Context()).Result()
	if err != nil {
		p.b.Fatal(err)
	}
	var mine slot.Set
	for _, shard := range shards {
		if len(shard.Nodes) != 1 || shard.Nodes[0].ID != id { // there are no replicas
			continue
		}
		for _, r := range shard.Slots {
			mine.AddRange(int(r.Start), int(r.End))
		}
	}
	return mine
}

// gather sends a quarter of each of three masters to the fourth, and waits until all
// say so: a source answers nobody while it drops what it gave.
func (p *place) gather() {
	p.b.Helper()
	for i := range 3 {
		p.migrate(i, part(p.owned(i), 0, 4), 3)
	}
	p.until(func() bool {
		mine := p.owned(3)
		for i := range 3 {
			if shared := p.owned(i).Intersect(mine); !shared.Empty() {
				return false
			}
		}
		return mine.Len() >= slot.Count/4-3 // a quarter of each, rounded
	})
}

// scatter sends a third of the fourth master to each of the others.
func (p *place) scatter() {
	p.b.Helper()
	mine := p.owned(3)
	var groups []any
	for i := range 3 {
		groups = append(groups, group(part(mine, i, 3), p.id(i))...)
	}
	p.send(3, groups)
	p.until(func() bool { return p.owned(3) == (slot.Set{}) })
}

// part is the i-th of n parts of slots, in ascending order.
func part(slots slot.Set, i, n int) slot.Set {
	var out slot.Set
	all, at := slots.Len(), 0
	for s := range slots.Each() {
		if at*n/all == i {
			out.Add(s)
		}
		at++
	}
	return out
}

func (p *place) migrate(from int, slots slot.Set, to int) {
	p.b.Helper()
	p.send(from, group(slots, p.id(to)))
}

// group is one group of slots in CLUSTER MIGRATESLOTS.
func group(slots slot.Set, to string) []any {
	args := []any{"SLOTSRANGE"}
	for _, r := range slots.Ranges() {
		args = append(args, r.First, r.Last)
	}
	return append(args, "NODE", to)
}

func (p *place) send(from int, groups []any) {
	p.b.Helper()
	cmd := append([]any{"CLUSTER", "MIGRATESLOTS"}, groups...)
	if err := p.client(from).Do(p.b.Context(), cmd...).Err(); err != nil {
		p.b.Fatal(fmt.Errorf("%v: %w", cmd, err))
	}
}

func (p *place) until(yes func() bool) {
	p.b.Helper()
	if !livetest.Eventually(2*time.Minute, yes) {
		p.b.Fatal("the slots did not arrive")
	}
}
