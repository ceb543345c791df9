package live

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// setSlots sends CLUSTER SETSLOT slot form... for every slot, one result a slot,
// in no order among them. Valkey 8 and newer have the replicas agree first and refuse
// with NOREPLICAS, nothing done, when they are slow: those are sent again.
func (e *end) setSlots(ctx context.Context, slots []int, form ...any) []error {
	out := make([]error, len(slots))
	todo := make([]int, len(slots))
	for i := range todo {
		todo[i] = i
	}
	for try := 0; len(todo) > 0; try++ {
		left := make([]int, len(todo))
		for k, i := range todo {
			left[k] = slots[i]
		}
		var again []int
		for k, r := range e.mark(ctx, setSlot(left, form...)) {
			i := todo[k]
			if out[i] = r.Err; r.Err != nil {
				out[i] = fmt.Errorf("slot %d %s at %s: %w", slots[i], strings.ToLower(fmt.Sprint(form[0])), e.name, r.Err)
			}
			if refused(r.Err, "NOREPLICAS") && try < 5 {
				again = append(again, i)
			}
		}
		if todo = again; len(todo) > 0 && pause(ctx, 200*time.Millisecond) != nil {
			break
		}
	}
	return out
}

// setSlot are the commands CLUSTER SETSLOT slot form..., one for each slot.
func setSlot(slots []int, form ...any) [][]any {
	cmds := make([][]any, len(slots))
	for i, s := range slots {
		cmds[i] = append([]any{"CLUSTER", "SETSLOT", s}, form...)
	}
	return cmds
}

// count is the number of keys of each slot in every database. Valkey 9 counts
// in the selected database only, and the source drops what nobody counted.
func (e *end) count(ctx context.Context, slots []int) ([]int64, error) {
	sum := make([]int64, len(slots))
	cmds := make([][]any, len(slots))
	for i, s := range slots {
		cmds[i] = []any{"CLUSTER", "COUNTKEYSINSLOT", s}
	}
	for db := range e.dbs {
		for i, r := range e.pipe(ctx, db, slack, cmds) {
			n, ok := r.Value.(int64)
			if r.Err != nil || !ok {
				return nil, fmt.Errorf("count slot %d at %s: %w", slots[i], e.name, orGarbage(r))
			}
			sum[i] += n
		}
	}
	return sum, nil
}

// orGarbage is the error of a reply, or that the reply made no sense.
func orGarbage(r Reply) error {
	if r.Err != nil {
		return r.Err
	}
	return fmt.Errorf("an answer of type %T", r.Value)
}
