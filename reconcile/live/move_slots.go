package live

import (
	"context"
	"errors"
	"slices"
)

// carry brings slots, with their keys, from one end to the other. Which keys
// there are survey has found. After an error the slots are open or moved, never
// lost: ownership changes only once the source holds no key of the slot, and
// close picks up the rest.
func (w *pair) carry(ctx context.Context, slots []int, found [][]batch) error {
	for try := 1; len(slots) > 0; try++ {
		open, err := w.open(ctx, slots)
		if err != nil || len(open) == 0 {
			return err
		}
		if err := w.empty(ctx, open, found); err != nil {
			w.tidy(ctx, open)
			return err
		}
		found = nil
		err = w.hand(ctx, open)
		if !disturbed(err) || try == emptyings {
			return err
		}
	}
	return nil
}

// disturbed says that slots were not handed over for what may be over at the next
// try.
func disturbed(err error) bool {
	return errors.As(err, &stirred{}) || errors.As(err, &voted{})
}

// emptyings are how often slots are emptied while somebody stirs them: once is
// a slip, and who goes on wants something else than we do.
const emptyings = 3

// begin carries slots, and tells how many have arrived. Those that can't move are
// held before they are marked: clients leave new keys of a marked slot at its
// target, and then it can't be closed where it was any more.
func (w *pair) begin(ctx context.Context, slots []int) (moved int, err error) {
	if err := w.to.unknowing(ctx, slots); err != nil {
		return 0, err
	}
	ready, found, held, err := w.survey(ctx, slots)
	if err != nil {
		return 0, err
	}
	if err := w.carry(ctx, ready, found); err != nil {
		return 0, errors.Join(err, joined(held))
	}
	return len(ready), joined(held)
}

// unknowing says that a target knows nothing yet of slots that are to begin
// their way: a key it holds of one that it neither owns nor marks is a left-over.
func (e *end) unknowing(ctx context.Context, slots []int) error {
	counts, err := e.count(ctx, slots)
	if err != nil || slices.Max(counts) == 0 {
		return err
	}
	self, _, err := e.view(ctx)
	if err != nil {
		return err
	}
	known := self.Slots()
	for _, mark := range self.Open {
		known.Add(mark.Slot)
	}
	for i, s := range slots {
		if counts[i] > 0 && !known.Has(s) {
			return e.leftOver(s, counts[i])
		}
	}
	return nil
}

// tidy leaves as few slots open as it can when the way ends early: those whose
// keys have all arrived are handed over, those of which none has left are put
// back. What goes wrong here stays open for the next run.
func (w *pair) tidy(ctx context.Context, slots []int) {
	left, err := w.seal(ctx, slots)
	if err != nil {
		return
	}
	gone := slices.DeleteFunc(slices.Clone(slots), func(s int) bool { return slices.Contains(left, s) })
	if w.hand(ctx, gone) == nil {
		w.putBack(ctx, left)
	}
}

// putBack closes slots of which no key has left. The target's mark goes first:
// clients can't leave new keys there any more, so that a count of 0 after it
// stays 0, and only then does the source stop sending them.
func (w *pair) putBack(ctx context.Context, slots []int) {
	counts, err := w.to.count(ctx, slots)
	if err != nil {
		return
	}
	var none []int
	for i, s := range slots {
		if counts[i] == 0 && w.to.setSlots(ctx, []int{s}, "STABLE")[0] == nil {
			none = append(none, s)
		}
	}
	if counts, err = w.to.count(ctx, none); err != nil {
		return
	}
	for i, s := range none {
		if counts[i] == 0 {
			w.from.setSlots(ctx, []int{s}, "STABLE")
		}
	}
}

// open marks slots, at the target before the source: once the source is marked
// it sends clients there for keys it no longer has, and a target that is not
// marked would send them back. It returns the slots that are to be emptied;
// the others were the target's already.
func (w *pair) open(ctx context.Context, slots []int) ([]int, error) {
	owned, err := w.importing(ctx, slots)
	if err != nil {
		return nil, err
	}
	var open []int
	for i, err := range w.from.setSlots(ctx, slots, "MIGRATING", w.to.id) {
		switch {
		case err == nil:
			open = append(open, slots[i])
		case refused(err, "not the owner") && owned[slots[i]]: // a run before this one got this far
		default:
			return nil, err
		}
	}
	return open, nil
}

// importing marks slots at the target and tells which of them it owns already.
func (w *pair) importing(ctx context.Context, slots []int) (map[int]bool, error) {
	owned := map[int]bool{}
	for i, err := range w.to.setSlots(ctx, slots, "IMPORTING", w.from.id) {
		switch {
		case err == nil:
		case refused(err, "already the owner"):
			owned[slots[i]] = true
		default:
			return nil, err
		}
	}
	return owned, nil
}

// seal tells which of the slots still hold keys at the source. Of the others it
// proves that they hold none and can get none: the mark is set again and then
// the keys are counted in every database, so at the time of the count the
// source was a master, the owner, and sent clients elsewhere for every key it
// did not have. A failover loses marks (Redis does not replicate them), hence
// again.
func (w *pair) seal(ctx context.Context, slots []int) (left []int, err error) {
	for _, err := range w.from.setSlots(ctx, slots, "MIGRATING", w.to.id) {
		if err != nil {
			return nil, err
		}
	}
	counts, err := w.from.count(ctx, slots)
	if err != nil {
		return nil, err
	}
	for i, n := range counts {
		if n > 0 {
			left = append(left, slots[i])
		}
	}
	return left, nil
}

// hand makes the target the owner of sealed slots.
//
// The target is told first: were the source told first and the target to die
// then, nobody would own the slot, failover or not (redis.io/commands/cluster-setslot).
func (w *pair) hand(ctx context.Context, slots []int) error {
	if len(slots) == 0 {
		return nil
	}
	if err := w.claim(ctx, slots); err != nil {
		return err
	}
	for _, err := range w.from.setSlots(ctx, slots, "NODE", w.to.id) {
		// With its last slot gone the source may have become a replica by
		// itself, if cluster-allow-replica-migration is on: it owns nothing then.
		if err != nil && !refused(err, "only with masters") {
			return err
		}
	}
	return nil
}
