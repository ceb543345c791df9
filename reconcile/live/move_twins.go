package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// twins are two masters that were one shard: one stood still, its replica was
// elected, and the first came back as a master beside it. Both hold copies of slots
// that were on their way to the first. Clients are sent to one of the two: to the
// first, for its heir has no mark (Redis), or to the heir, for the owner has noted
// that it took the place (Valkey 8 and newer).
type twins struct {
	of, at *end // the owner of the slots, or where it sends clients; and the other
	owner  *end
}

// part takes the copies of twins away, so that a slot is at two places at most:
// its owner, and the master that the owner sends it to, or else one holder.
func (c *closing) part(ctx context.Context, slots []int) error {
	sent, err := c.sent(ctx)
	if err != nil {
		return err
	}
	type pair struct{ of, at string }
	found := map[pair][]int{}
	for _, s := range slots {
		of := c.from
		if _, holds := c.holders[s][sent[s]]; holds {
			of = sent[s]
		}
		for at := range c.holders[s] {
			if at != of {
				found[pair{of, at}] = append(found[pair{of, at}], s)
			}
		}
	}
	for p, slots := range found {
		t, err := c.twins(ctx, p.of, p.at)
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		if err := c.drop(ctx, t, slots); err != nil {
			return err
		}
		for _, s := range slots {
			delete(c.holders[s], p.at)
		}
	}
	return nil
}

// sent is to whom the owner sends each slot that it marks.
func (c *closing) sent(ctx context.Context) (map[int]string, error) {
	owner, err := c.reach(ctx, c.from)
	if err != nil {
		return nil, err
	}
	self, _, err := owner.view(ctx)
	if err != nil {
		return nil, err
	}
	out := map[int]string{}
	for _, m := range self.Open {
		if n := c.seen.ByID(m.Peer); n != nil && !m.Importing {
			out[m.Slot] = n.Name
		}
	}
	return out, nil
}

// twins are the two where one was the replica of the other when it was promoted,
// and nil where that is not proven.
func (c *closing) twins(ctx context.Context, of, at string) (*twins, error) {
	var t twins
	var err error
	for _, e := range []struct {
		end  **end
		name string
	}{{&t.of, of}, {&t.at, at}, {&t.owner, c.from}} {
		if *e.end, err = c.reach(ctx, e.name); err != nil {
			return nil, err
		}
	}
	one, err := t.of.info(ctx, "replication")
	if err != nil {
		return nil, err
	}
	other, err := t.at.info(ctx, "replication")
	if err != nil || !forked(&one, &other) && !forked(&other, &one) {
		return nil, err
	}
	return &t, nil
}

// forked says whether the history of an heir's data began in that of the first,
// which has gone on since (second_repl_offset; shiftReplicationId, replication.c).
func forked(heir, first *cluster.Info) bool {
	h := heir.History
	return h.Former != "" && h.Former == first.History.ID && h.Until <= first.Offset+1
}

// drop deletes at the twin every key of the slots of which another place has an
// equal copy, and has the others held. Nobody writes to its copies, for the owner
// sends no client there, so one that was equal is not needed whatever happens to the
// other one. A key that only the twin has is one that clients may have deleted
// since, and must not come back to life, or one that the heir never got.
//
// First the members have to agree for a while on both being masters: the first
// would follow the heir, and drop all it has, if it had not heard of it yet.
func (c *closing) drop(ctx context.Context, t *twins, slots []int) error {
	if err := (&pair{party: c.party, from: t.of, to: t.at}).meet(ctx); err != nil {
		return err
	}
	if err := c.quiet(ctx, []*end{t.of}, []*end{t.at}); err != nil {
		return err
	}
	for _, err := range t.at.setSlots(ctx, slots, "IMPORTING", t.owner.id) { // it answers ASKING from now on
		if err != nil {
			return err
		}
	}
	held := map[int]error{}
	for db := range t.at.dbs {
		if err := t.dropAll(ctx, db, slots, held); err != nil {
			return err
		}
	}
	done := without(slots, held) // the others stay marked: a person needs ASKING there
	for _, err := range t.at.setSlots(ctx, done, "STABLE") {
		if err != nil {
			return err
		}
	}
	counts, err := t.at.count(ctx, done)
	if err != nil {
		return err
	}
	for i, n := range counts {
		if n > 0 {
			return fmt.Errorf("%s got %d keys of slot %d while its copies were compared; the next run does so again", t.at.name, n, done[i])
		}
	}
	return errors.Join(slices.Collect(maps.Values(held))...)
}

func without(slots []int, held map[int]error) []int {
	return slices.DeleteFunc(slices.Clone(slots), func(s int) bool { return held[s] != nil })
}

// dropAll goes on until one database has no key of the slots but for held ones.
func (t *twins) dropAll(ctx context.Context, db int, slots []int, held map[int]error) error {
	for {
		todo, err := (&pair{from: t.at}).find(ctx, db, without(slots, held))
		if err != nil || len(todo) == 0 {
			return err
		}
		for _, b := range todo {
			dropped, hold, err := t.dropSome(ctx, db, b)
			if err != nil {
				return fmt.Errorf("slot %d: %w", b.slot, err)
			}
			if hold != nil && dropped == 0 { // else the next list has those that are left, and more
				held[b.slot] = hold
			}
		}
	}
}

// dropSome deletes those of the keys that have an equal copy, and says why one of
// the others is held.
func (t *twins) dropSome(ctx context.Context, db int, b batch) (dropped int, hold, err error) {
	var copies [][]any
	torn := map[*end][]string{}
	var lone []string
	for _, key := range b.keys {
		if err := ctx.Err(); err != nil {
			return 0, nil, err
		}
		found, same, err := t.compare(ctx, db, key)
		switch {
		case err != nil:
			return 0, nil, fmt.Errorf("compare key %q: %w", key, err)
		case found == nil:
			lone = append(lone, key)
		case same:
			copies = append(copies, []any{"ASKING"}, []any{"DEL", key})
		default:
			torn[found] = append(torn[found], key)
		}
	}
	for _, r := range t.at.pipe(ctx, db, slack, copies) {
		if r.Err != nil {
			return 0, nil, fmt.Errorf("%s: %w", t.at.name, r.Err)
		}
	}
	for e, keys := range torn {
		return len(copies), plan.Held{Hold: (&pair{from: e, to: t.at}).twoValues(b.slot, keys)}, nil
	}
	hold, err = t.lone(ctx, db, b.slot, lone)
	return len(copies), hold, err
}

// compare looks for a key of the twin at the other one and at the owner, and says
// whether what it found is equal.
func (t *twins) compare(ctx context.Context, db int, key string) (found *end, same bool, err error) {
	for _, e := range []*end{t.of, t.owner} {
		same, busy, err := (&pair{from: e, to: t.at}).same(ctx, db, key)
		if err != nil || busy {
			return e, same, err
		}
	}
	return nil, false, nil
}

// lone holds keys that only the twin has, unless they have expired meanwhile.
func (t *twins) lone(ctx context.Context, db, slot int, keys []string) (hold, err error) {
	var left []string
	for _, key := range keys {
		v, err := t.at.fetch(ctx, db, "EXISTS", key)
		if err != nil {
			return nil, err
		}
		if v != int64(0) {
			left = append(left, key)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	return plan.Held{Hold: plan.Hold{
		Why: plan.Stuck, Code: plan.StaleKeys, Node: t.at.name,
		Text: fmt.Sprintf("slot %d: %s has %s, and %s, with which it was one shard, has not: clients may have deleted what is missing", slot, t.at.name, named(left), t.of.name),
		Lift: fmt.Sprintf("delete them at %s, each after ASKING; write anew before what is needed; then run again", t.at.name),
	}}, nil
}

// named lists some of the keys, cut short.
func named(keys []string) string {
	const shown, longest = 3, 80
	var names []string
	for _, key := range keys[:min(len(keys), shown)] {
		name := fmt.Sprintf("%q", key[:min(len(key), longest)])
		if len(key) > longest {
			name += "..."
		}
		names = append(names, name)
	}
	if more := len(keys) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if len(keys) > 1 {
		return "keys " + strings.Join(names, ", ")
	}
	return "key " + names[0]
}

// holding are the masters other than the owner that hold keys of a slot.
func (c *closing) holding(slot int) []string {
	return slices.Sorted(maps.Keys(c.holders[slot]))
}
