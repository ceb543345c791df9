package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// leftOver is why a slot does not move: the target holds keys of it that no
// client finds there, and that would come to life with it. The next look at the
// cluster counts such keys.
func (e *end) leftOver(slot int, keys int64) error {
	return fmt.Errorf("%s holds %d keys of slot %d, which it does not own yet", e.name, keys, slot)
}

// vacant waits until no target holds a key of what the source is to send it. A
// server that begins to import such a slot aborts (kvstoreSetIsImporting,
// Valkey 9.1), so a mark excuses no key here. What a job that failed has left
// goes by itself, at the target's next tick once it has noticed.
func (x *export) vacant(ctx context.Context) error {
	const patience, between = 10 * time.Second, 100 * time.Millisecond
	for deadline := time.Now().Add(patience); ; {
		found, err := x.occupied(ctx)
		if err != nil || found == nil || time.Now().After(deadline) {
			return errors.Join(found, err)
		}
		if err := pause(ctx, between); err != nil {
			return err
		}
	}
}

// occupied is a left-over at a target, nil when there is none.
func (x *export) occupied(ctx context.Context) (found, err error) {
	for _, r := range x.routes {
		slots := slices.Concat(r.portions...)
		counts, err := r.to.count(ctx, slots)
		if err != nil {
			return nil, err
		}
		for i, n := range counts {
			if n > 0 {
				return r.to.leftOver(slots[i], n), nil
			}
		}
	}
	return nil, nil
}
