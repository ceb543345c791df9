package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// findStray adds to seen the keys that are where no client finds them: at
// masters that neither own their slot nor carry a mark of it. A replica does not
// get the marks of its master (before Valkey 8), so when both ends of a
// half-moved slot fail over, those keys are all that tells of it.
//
// It costs one COUNTKEYSINSLOT a slot. Without a mark in sight keys get lost
// only where a role or an epoch changes, so it is done once and then after such
// a change. While views differ nobody can say who should have a key.
func (c *Cluster) findStray(ctx context.Context, views []cluster.View, seen *cluster.State) {
	layout := layoutOf(seen)
	if layout == c.counted || len(seen.Split) > 0 {
		return
	}
	marked, clean := len(seen.Open) > 0, true
	answers := map[string]*cluster.View{}
	for i := range views {
		if self := cluster.Myself(views[i].Lines); self != nil {
			answers[self.ID] = &views[i]
		}
	}
	masters := mastersOf(seen)
	found := make([][]cluster.Open, len(masters))
	each(masters, func(i int, n *cluster.Node) { found[i] = c.strayAt(ctx, answers[n.ID], n, seen) })
	for i, n := range masters {
		seen.Open = append(seen.Open, found[i]...)
		clean = clean && len(found[i]) == 0 && n.Health == cluster.Up && n.Uncounted == ""
	}
	seen.SortOpen()
	if c.counted = ""; clean && !marked {
		c.counted = layout
	}
}

// layoutOf changes whenever a member comes, goes, falls silent, or takes another
// role or epoch.
func layoutOf(seen *cluster.State) string {
	var b strings.Builder
	for i := range seen.Nodes {
		if n := &seen.Nodes[i]; n.Member {
			fmt.Fprintln(&b, n.ID, n.Master, n.Epoch, n.Health)
		}
	}
	return b.String()
}

func mastersOf(seen *cluster.State) []*cluster.Node {
	var out []*cluster.Node
	for i := range seen.Nodes {
		if n := &seen.Nodes[i]; n.Member && n.Master == "" && n.Health == cluster.Up {
			out = append(out, n)
		}
	}
	return out
}

// strayAt is what one master holds that it should not. A master that can't be
// asked is silent from then on; one that refuses says why.
func (c *Cluster) strayAt(ctx context.Context, view *cluster.View, n *cluster.Node, seen *cluster.State) []cluster.Open {
	ctx, cancel := context.WithTimeout(ctx, patience.command)
	defer cancel()
	counts, err := c.stray(ctx, view)
	var refused ServerError
	switch {
	case errors.As(err, &refused):
		n.Uncounted = trouble(err)
	case err != nil:
		n.Health, n.Trouble, n.Keys = cluster.Silent, trouble(err), cluster.Unknown
	}
	var out []cluster.Open
	for s, keys := range counts {
		o := cluster.Open{Slot: s, At: n.Name, Importing: true, Stray: keys}
		if owner := seen.Owner(s); owner != nil {
			o.Peer = owner.Name
		}
		out = append(out, o)
	}
	return out
}

// stray counts the keys of slots that the master of a view neither owns nor
// marks, by slot. Nearly always the slots it owns hold all its keys, and the others
// need not be counted.
func (c *Cluster) stray(ctx context.Context, view *cluster.View) (map[int]int64, error) {
	own := cluster.Myself(view.Lines).Slots()
	found := map[int]int64{}
	for _, db := range view.Info.Filled {
		all, err := c.holdAll(ctx, view.Place.Addr, db, own)
		if err != nil {
			return nil, err
		}
		if all {
			continue
		}
		counts, err := c.tally(ctx, view.Place.Addr, db, slot.All().Minus(own))
		if err != nil {
			return nil, err
		}
		for s, keys := range counts {
			found[s] += keys
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	return found, c.without(ctx, view.Place, found)
}

// tally counts the keys of slots in one database, of each that has any.
func (c *Cluster) tally(ctx context.Context, addr string, db int, slots slot.Set) (map[int]int64, error) {
	cmds, numbers := [][]any{{"SELECT", db}}, slices.Collect(slots.Each())
	for _, s := range numbers {
		cmds = append(cmds, []any{"CLUSTER", "COUNTKEYSINSLOT", s})
	}
	replies := c.conn(addr).Pipe(ctx, append(cmds, []any{"SELECT", 0}))
	if err := refusal(replies); err != nil {
		return nil, err
	}
	counts := map[int]int64{}
	for i, s := range numbers {
		switch n, ok := replies[1+i].Value.(int64); {
		case !ok:
			return nil, fmt.Errorf("%w: a count of type %T", errReply, replies[1+i].Value)
		case n > 0:
			counts[s] = n
		}
	}
	return counts, nil
}

// summing counts the keys of ranges of slots, and all keys of the database. A script
// is one moment, or what clients write meanwhile would pass for a difference. It
// reads only, so a server that uses more than its maxmemory runs it, too.
const summing = `
local sum = 0
for i = 1, #ARGV, 2 do
  for slot = tonumber(ARGV[i]), tonumber(ARGV[i + 1]) do sum = sum + redis.call('CLUSTER', 'COUNTKEYSINSLOT', slot) end
end
return {sum, redis.call('DBSIZE')}`

// holdAll says whether slots hold all keys of one database. Where the script is
// refused it can't be said.
func (c *Cluster) holdAll(ctx context.Context, addr string, db int, slots slot.Set) (bool, error) {
	script := []any{"EVAL_RO", summing, 0}
	for _, r := range slots.Ranges() {
		script = append(script, r.First, r.Last)
	}
	replies := c.conn(addr).Pipe(ctx, [][]any{{"SELECT", db}, script, {"SELECT", 0}})
	var refused ServerError
	if err := refusal(replies); errors.As(err, &refused) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	counts, _ := replies[1].Value.([]any)
	if len(counts) != 2 {
		return false, fmt.Errorf("%w: EVAL_RO answers %v", errReply, replies[1].Value)
	}
	return counts[0] == counts[1], nil
}

// refusal is the first error of replies: it is the reason of the later ones.
func refusal(replies []Reply) error {
	for _, r := range replies {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// without takes the slots away that the server owns or marks by now: somebody
// is moving them. Marks stand before the first key comes.
func (c *Cluster) without(ctx context.Context, place cluster.Place, found map[int]int64) error {
	view := c.ask(ctx, place, watched)
	self := cluster.Myself(view.Lines)
	if self == nil {
		return errors.New(view.Trouble)
	}
	own := self.Slots()
	for _, mark := range self.Open {
		own.Add(mark.Slot)
	}
	for s := range found {
		if own.Has(s) || !self.Flags.Master {
			delete(found, s)
		}
	}
	return nil
}
