package live

import (
	"context"
	"maps"
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

const (
	// sampled is how many keys of one server are weighed, beyond one of each slot
	// that has any. Each costs it about 2 us.
	sampled = 1024
	// atOnce is of how many slots keys are weighed in one go: the names of a
	// server's keys may be long.
	atOnce = 512
)

// sample weighs some keys of each slot of one database, more where there are
// more. A key that is gone meanwhile, or that the login may not weigh, is not in
// it.
func (c *Cluster) sample(ctx context.Context, n *cluster.Node, db int, counts map[int]int64) []cluster.Sample {
	var sum int64
	var out []cluster.Sample
	for _, s := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, cluster.Sample{Slot: s, Keys: counts[s]})
		sum += counts[s]
	}
	for some := range slices.Chunk(out, atOnce) {
		c.weighKeys(ctx, n.Addr, db, some, sum)
	}
	return out
}

// weighKeys fills in what keys of some slots weigh. All keys of the database are
// sum.
func (c *Cluster) weighKeys(ctx context.Context, addr string, db int, some []cluster.Sample, sum int64) {
	list := [][]any{{"SELECT", db}}
	for _, s := range some {
		list = append(list, []any{"CLUSTER", "GETKEYSINSLOT", s.Slot, 1 + s.Keys*sampled/sum})
	}
	list = append(list, []any{"SELECT", 0})
	weigh, at := [][]any{{"SELECT", db}}, []int{0}
	for i, r := range c.conn(addr).Pipe(ctx, list)[1 : 1+len(some)] {
		keys, _ := r.Value.([]any)
		for _, key := range keys {
			weigh, at = append(weigh, []any{"MEMORY", "USAGE", key}), append(at, i)
		}
	}
	for i, r := range c.conn(addr).Pipe(ctx, append(weigh, []any{"SELECT", 0}))[1:len(weigh)] {
		if bytes, ok := r.Value.(int64); ok {
			s := &some[at[i+1]]
			s.Weighed = append(s.Weighed, bytes)
		}
	}
}
