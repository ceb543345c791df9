package live

import (
	"context"
	"fmt"

	"github.com/slotwright/slotwright/spec/slot"
)

// emptying is one try to empty open slots, and what it knows of copies.
//
// A MIGRATE whose end is unknown may leave a copy of a key at the target while the
// source still holds the key. The source goes on serving it, so the copy gets old:
// what clients write is another value then, and what they delete would come back to
// life with the slot. So copies are deleted, where all of this is proven:
//
//   - The target held no key of the slot at a time when both marks stood (sole).
//     Since then a key came there by MIGRATE, or with a client that the source sent
//     there because it did not hold the key.
//   - The source holds the key, and its mark has stood all the time. Such a source
//     makes no key that it does not hold: it answers ASK, or TRYAGAIN where it holds
//     some of a command's keys, to scripts and transactions as well (getNodeByQuery).
//     What is gone there stays gone; what is there was there all the time. So no
//     client was sent to the target for it: what the target has was sent by
//     MIGRATE, and every write since was done at the source.
//   - Nobody writes to the copy from before the source is asked until it is deleted
//     (watch). Right after the source has answered a client may delete the key
//     there, be sent to the target, and write it there, and be it the same value: a
//     comparison would not show that. What a MIGRATE that is still under way, or
//     still in the target's socket, brings in that time is such a write, too.
//
// That a key is gone at the source proves nothing: MIGRATE deletes what has arrived.
// So what clients delete there after the MIGRATE and before the target answers comes
// back; the other way round a key would be lost.
//
// The mark is looked for each time before it is set anew. A restart or a failover of
// the source since the pair began shows in its replication ID, which is a new one
// then, and one that it has not heard of yet at its replicas. What does not show
// is somebody who takes the mark away and sets the same again between two looks.
type emptying struct {
	*pair
	sole   slot.Set // of which the source serves whatever both ends hold
	doubts []doubt
	held   map[int]error // slots that stay open
}

// doubt are keys of a MIGRATE whose end is unknown.
type doubt struct {
	batch
	db int
}

// emptying begins with slots that are marked at both ends.
func (w *pair) emptying(ctx context.Context, slots []int) (*emptying, error) {
	counts, err := w.to.count(ctx, slots)
	if err != nil {
		return nil, err
	}
	e := emptying{pair: w, held: map[int]error{}}
	for i, s := range slots {
		if counts[i] == 0 {
			e.sole.Add(s)
		}
	}
	return &e, nil
}

// seal looks for the marks before it sets them anew.
func (w *emptying) seal(ctx context.Context, slots []int) (left []int, err error) {
	if err := w.look(ctx); err != nil {
		return nil, err
	}
	return w.pair.seal(ctx, slots)
}

// look leaves out slots whose mark is missing at the source.
func (w *emptying) look(ctx context.Context) error {
	self, _, err := w.from.view(ctx)
	if err != nil {
		return err
	}
	var sent slot.Set
	for _, m := range self.Open {
		if !m.Importing && m.Peer == w.to.id && w.from.leads(self) == nil {
			sent.Add(m.Slot)
		}
	}
	w.sole = w.sole.Intersect(sent)
	return nil
}

// clear deletes copies of the keys in doubt, until it can't: an end that does not
// answer is not waited for again. What stays is settled when its key is sent again.
func (w *emptying) clear(ctx context.Context) {
	for _, d := range w.doubts {
		if w.sole.Has(d.slot) && w.supersede(ctx, d) != nil {
			return
		}
	}
}

func (w *emptying) supersede(ctx context.Context, d doubt) error {
	there, err := w.watch(ctx, d.db, d.keys)
	if err != nil {
		return err
	}
	defer there.close()
	copies, proven, err := w.kept(ctx, d.db, d.slot, there.keys)
	if err != nil || !proven {
		return err
	}
	return there.drop(ctx, copies)
}

// kept are those of the keys that the source holds, and whether it is proven that
// what the target has of them are copies. The keys are asked for first: a mark that
// is found after them stood before.
func (w *emptying) kept(ctx context.Context, db, s int, keys []string) (kept []string, proven bool, err error) {
	if !w.sole.Has(s) || len(keys) == 0 {
		return nil, false, nil
	}
	cmds := make([][]any, len(keys))
	for i, key := range keys {
		cmds[i] = []any{"EXISTS", key}
	}
	for i, r := range w.from.pipe(ctx, db, slack, cmds) {
		if r.Err != nil && !refused(r.Err, "ASK ") {
			return nil, false, fmt.Errorf("%s: %w", w.from.name, r.Err)
		}
		if r.Value == int64(1) {
			kept = append(kept, keys[i])
		}
	}
	if err := w.look(ctx); err != nil {
		return nil, false, err
	}
	history, err := w.from.history(ctx)
	if _, replaced := unreplaced(ctx, w.replicas); history == "" || history != w.history || replaced != nil {
		w.sole = slot.Set{}
	}
	return kept, w.sole.Has(s), err
}

// history is the name of the stream of writes that made a server's data.
func (e *end) history(ctx context.Context) (string, error) {
	info, err := e.info(ctx, "replication")
	return info.History.ID, err
}
