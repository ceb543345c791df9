package live

import (
	"context"
	"fmt"
	"time"
)

// weigh asks what the keys take in the source's memory. A key that is gone
// meanwhile weighs nothing.
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
			if !ok && r.Err != nil && !refused(r.Err, "ASK ") {
				return fmt.Errorf("weigh key %q at %s: %w", b.keys[k], w.from.name, orGarbage(r))
			}
			b.bytes[k] = n
		}
		replies = replies[len(b.keys):]
	}
	return nil
}

// heavy speaks up when a burst is one key that takes longer than the clients'
// budget, and refuses it when that is longer than MIGRATE may take: both ends
// would stand still until the others fail them over, in the middle of a slot.
func (w *pair) heavy(now []batch) error {
	if len(now) != 1 || len(now[0].keys) != 1 {
		return nil
	}
	size := now[0].bytes[0]
	takes := w.from.pace.takes(size).Round(100 * time.Millisecond)
	text := fmt.Sprintf("slot %d: key %q of %d MB keeps %s and %s from answering for about %s",
		now[0].slot, now[0].keys[0], size>>20, w.from.name, w.to.name, takes)
	switch {
	case takes > w.timeout:
		return fmt.Errorf("%s, and %s is all that cluster-node-timeout leaves: split the key, or raise the timeout", text, w.timeout)
	case takes > w.from.pace.budget:
		w.text.Store(&text)
	}
	return nil
}
