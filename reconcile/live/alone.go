package live

import (
	"context"
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// countAlone adds to seen the keys that masters hold under importing marks for
// which the source, a master that answers, has no migrating mark. A source that
// was failed over has lost its mark and its role; one that is still the master
// never sent those keys. Only slots with such marks are counted.
func (c *Cluster) countAlone(ctx context.Context, views []cluster.View, seen *cluster.State) {
	answers := map[string]*cluster.View{}
	for i := range views {
		if self := cluster.Myself(views[i].Lines); self != nil {
			answers[self.ID] = &views[i]
		}
	}
	masters := mastersOf(seen)
	alone := make([][]*cluster.Open, len(masters))
	for i, n := range masters { // all before one is written to
		alone[i] = aloneAt(n, seen)
	}
	each(masters, func(i int, n *cluster.Node) {
		marks, view := alone[i], answers[n.ID]
		if len(marks) == 0 || view == nil {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, patience.command)
		defer cancel()
		c.weigh(ctx, view, marks)
		c.excuse(ctx, answers, marks, seen)
	})
}

// aloneAt are the marks at n whose source lacks its own.
func aloneAt(n *cluster.Node, seen *cluster.State) []*cluster.Open {
	sent := map[int]bool{}
	for _, o := range seen.Open {
		sent[o.Slot] = sent[o.Slot] || !o.Importing
	}
	var out []*cluster.Open
	for i := range seen.Open {
		o := &seen.Open[i]
		if peer := seen.Node(o.Peer); o.At == n.Name && o.Importing && !sent[o.Slot] && peer != nil && peer.Master == "" && peer.Health == cluster.Up {
			out = append(out, o)
		}
	}
	return out
}

// weigh counts the keys of the marked slots. What can't be counted is unknown,
// which is not none.
func (c *Cluster) weigh(ctx context.Context, view *cluster.View, marks []*cluster.Open) {
	var slots slot.Set
	for _, o := range marks {
		slots.Add(o.Slot)
	}
	keys := map[int]int64{}
	for _, db := range view.Info.Filled {
		counts, err := c.tally(ctx, view.Place.Addr, db, slots)
		if err != nil {
			for _, o := range marks {
				o.Alone = cluster.Unknown
			}
			return
		}
		for s, n := range counts {
			keys[s] += n
		}
	}
	for _, o := range marks {
		o.Alone = keys[o.Slot]
	}
}

// excuse asks the sources once more where keys were found: somebody may have
// begun to move the slots after the first look at them. Marks stand before the
// first key comes.
func (c *Cluster) excuse(ctx context.Context, answers map[string]*cluster.View, marks []*cluster.Open, seen *cluster.State) {
	again := map[string]*cluster.Line{}
	for _, o := range marks {
		if o.Alone == 0 {
			continue
		}
		self, asked := again[o.Peer]
		if view := answers[seen.Node(o.Peer).ID]; !asked && view != nil {
			self = cluster.Myself(c.ask(ctx, view.Place, watched).Lines)
			again[o.Peer] = self
		}
		if self != nil && (!self.Flags.Master || slices.ContainsFunc(self.Open, func(m cluster.Mark) bool { return m.Slot == o.Slot && !m.Importing })) {
			o.Alone = 0
		}
	}
}
