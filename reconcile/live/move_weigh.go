package live

import (
	"context"
	"fmt"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// weigh asks what the keys take in the source's memory. A key that is gone
// meanwhile weighs nothing, nor does one of a slot that the source only imports.
func (w *pair) weigh(ctx context.Context, db int, todo []batch) error {
	var cmds [][]any
	for _, b := range todo {
		for _, key := range b.keys {
			cmds = append(cmds, []any{"MEMORY", "USAGE", key})
		}
	}
	replies := w.from.pipe(ctx, db, slack, cmds)
	for i := range todo {
		b := &todo[i]
		b.bytes = make([]int64, len(b.keys))
		for k := range b.keys {
			r := replies[k]
			n, ok := r.Value.(int64)
			if !ok && r.Err != nil && !refused(r.Err, "ASK ") && !refused(r.Err, "MOVED ") {
				return fmt.Errorf("weigh %s at %s: %w", named(b.keys[k:k+1]), w.from.name, orGarbage(r))
			}
			b.bytes[k] = n
		}
		replies = replies[len(b.keys):]
	}
	return nil
}

// tooHeavy says that to move so many bytes takes longer than MIGRATE may: both
// ends would stand still until the others fail them over, in the middle of a slot.
func (w *pair) tooHeavy(bytes int64) bool { return w.from.pace.takes(bytes) > w.timeout }

// heavy speaks up when a burst is one key that takes longer than the clients'
// budget, and refuses one that is too heavy. survey has found those that were
// there: this one came, or grew, since.
func (w *pair) heavy(now []batch) error {
	if len(now) != 1 || len(now[0].keys) != 1 {
		return nil
	}
	size := now[0].bytes[0]
	takes := w.from.pace.takes(size).Round(100 * time.Millisecond)
	if takes > w.from.pace.budget {
		text := fmt.Sprintf("slot %d: key %q of %d MB keeps %s and %s from answering for about %s",
			now[0].slot, now[0].keys[0], size>>20, w.from.name, w.to.name, takes)
		w.text.Store(&text)
	}
	return w.heavyIn(now[0])
}

// heavyIn holds the slot of keys of which one is too heavy.
func (w *pair) heavyIn(b batch) error {
	for i, size := range b.bytes {
		if w.tooHeavy(size) {
			return plan.Held{Hold: w.heavyKey(b.slot, b.keys[i], size)}
		}
	}
	return nil
}

func (w *pair) heavyKey(slot int, key string, size int64) plan.Hold {
	return plan.Hold{
		Why: plan.Stuck, Code: plan.HeavyKey, Node: w.from.name,
		Text: fmt.Sprintf("slot %d: %s of %d MB would keep %s and %s from answering for longer than the %s that cluster-node-timeout leaves",
			slot, named([]string{key}), size>>20, w.from.name, w.to.name, w.timeout),
		Lift: "split the key, or raise the timeout (CONFIG SET cluster-node-timeout at every member), then run again",
	}
}
