package live

import (
	"context"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// Measure adds to seen what the slots of moves hold at their owners, and what
// speaks against moving them atomically. A server that refuses, or does not
// answer in time, leaves the plan with what was known without it.
func (c *Cluster) Measure(ctx context.Context, seen cluster.State, moves []plan.Step) cluster.State {
	ctx, cancel := context.WithTimeout(ctx, patience.command)
	defer cancel()
	seen.Nodes = slices.Clone(seen.Nodes)
	var slots slot.Set
	end := map[string]bool{}
	for _, m := range moves {
		slots = slots.Union(m.Slots)
		end[m.From], end[m.To] = true, true
	}
	masters := mastersOf(&seen)
	weights := make([]map[int]cluster.Weight, len(masters))
	each(masters, func(i int, n *cluster.Node) {
		if end[n.Name] {
			c.askAtomic(ctx, n)
		}
		if own := n.Slots.Intersect(slots); !own.Empty() {
			weights[i] = c.weights(ctx, n, own)
		}
	})
	seen.Weights = map[int]cluster.Weight{}
	for _, found := range weights {
		for s, w := range found {
			seen.Weights[s] = w
		}
	}
	return seen
}

// askAtomic asks a server that could send and take slots atomically what keeps
// it from that. The value of primaryauth is not kept.
func (c *Cluster) askAtomic(ctx context.Context, n *cluster.Node) {
	if !n.Server.Valkey(9) {
		return
	}
	replies := c.conn(n.Addr).Pipe(ctx, [][]any{{"INFO", "modules"}, {"CONFIG", "GET", "primaryauth"}})
	if text, err := asText(replies[0]); err == nil {
		n.Modules = cluster.Unready(text)
	}
	value, told := asPairs(replies[1].Value)["primaryauth"]
	n.Loginless = told && value == "" && c.login.Password != ""
}

// weights are what slots hold at their owner, nil where that can't be told.
// Memory by slot is what only Redis 8.4 and newer count, and only where
// cluster-slot-stats-enabled says so; elsewhere keys are weighed.
func (c *Cluster) weights(ctx context.Context, n *cluster.Node, slots slot.Set) map[int]cluster.Weight {
	stats, whole := c.slotStats(ctx, n, slots)
	if whole {
		return stats
	}
	info, err := c.keyspace(ctx, n)
	if err != nil {
		return nil
	}
	var samples []cluster.Sample
	for s := range slots.Each() {
		samples = append(samples, cluster.Sample{Slot: s})
	}
	for _, db := range info.Filled {
		counts := keysOf(stats)
		if stats == nil || len(info.Filled) > 1 { // the statistics are of all databases
			if counts, err = c.tally(ctx, n.Addr, db, slots); err != nil {
				return nil
			}
		}
		samples = append(samples, c.sample(ctx, n, db, counts)...)
	}
	return cluster.Estimate(samples, n.Memory.Used)
}

func (c *Cluster) keyspace(ctx context.Context, n *cluster.Node) (cluster.Info, error) {
	v, err := c.command(ctx, n.Addr, "INFO", "keyspace")
	text, err := asText(Reply{Value: v, Err: err})
	if err != nil {
		return cluster.Info{}, err
	}
	return cluster.ParseInfo(text)
}

// keysOf are the keys of slots that have any.
func keysOf(stats map[int]cluster.Weight) map[int]int64 {
	counts := map[int]int64{}
	for s, w := range stats {
		if w.Keys > 0 {
			counts[s] = w.Keys
		}
	}
	return counts
}

// slotStats is what CLUSTER SLOT-STATS tells of slots (Valkey 8, Redis 8.2), nil
// where the server has no such command, and whether that is all there is to know.
func (c *Cluster) slotStats(ctx context.Context, n *cluster.Node, slots slot.Set) (stats map[int]cluster.Weight, whole bool) {
	var cmds [][]any
	for _, r := range slots.Ranges() {
		cmds = append(cmds, []any{"CLUSTER", "SLOT-STATS", "SLOTSRANGE", r.First, r.Last})
	}
	stats, whole = map[int]cluster.Weight{}, true
	for _, r := range c.conn(n.Addr).Pipe(ctx, cmds) {
		rows, ok := r.Value.([]any)
		if r.Err != nil || !ok {
			return nil, false
		}
		for _, row := range rows {
			pair, _ := row.([]any)
			if len(pair) != 2 {
				return nil, false
			}
			s, _ := pair[0].(int64)
			w := weightOf(pair[1])
			stats[int(s)], whole = w, whole && w.Bytes != cluster.Unknown
			if w.Keys == cluster.Unknown {
				return nil, false
			}
		}
	}
	if len(stats) != slots.Len() { // it owns less by now
		return nil, false
	}
	return stats, whole
}

// weightOf reads the metrics of one slot.
func weightOf(metrics any) cluster.Weight {
	w := cluster.Weight{Keys: cluster.Unknown, Bytes: cluster.Unknown}
	list, _ := metrics.([]any)
	for i := 0; i+1 < len(list); i += 2 {
		name, _ := list[i].(string)
		if n, ok := list[i+1].(int64); ok && strings.EqualFold(name, "key-count") {
			w.Keys = n
		} else if ok && strings.EqualFold(name, "memory-bytes") {
			w.Bytes = n
		}
	}
	return w
}
