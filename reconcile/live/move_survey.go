package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/slotwright/slotwright/spec/slot"
)

// survey lists and weighs what slots hold, before any key leaves. A slot with a
// key that is too heavy is held: once others of its keys had left, it could
// neither go on nor be brought back.
//
// One listing shows all keys of most slots. Those with more are combed.
func (w *pair) survey(ctx context.Context, slots []int) (ready []int, found [][]batch, held map[int]error, err error) {
	for _, e := range []*end{w.from, w.to} {
		e.probe.hasten(w.budget) // what they tell decides how much is sent in one go
	}
	held, found = map[int]error{}, make([][]batch, w.from.dbs)
	var cut []int
	for db := range found {
		if found[db], err = w.find(ctx, db, slots); err != nil {
			return nil, nil, nil, err
		}
		for _, b := range found[db] {
			if heavy := w.heavyIn(b); heavy != nil {
				held[b.slot] = heavy
			} else if len(b.keys) == w.from.listed() {
				cut = append(cut, b.slot)
			}
		}
	}
	heavy, err := w.comb(ctx, cut)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, s := range cut {
		if heavy[s] != nil {
			held[s] = heavy[s]
		}
	}
	return without(slots, held), found, held, nil
}

// joined are all holds as one error.
func joined(held map[int]error) error { return errors.Join(slices.Collect(maps.Values(held))...) }

// comb is what is known of slots that hold more keys than one listing shows.
type comb struct {
	sync.Mutex
	want  []int // of a route: one way through the databases does for all of them
	done  slot.Set
	heavy map[int]error
}

// comb weighs every key of slots that hold more than one listing shows. A server
// lists a slot from its first key only, and all of it in one go, which takes
// clients' time: so SCAN goes through the databases, some keys at a time, once for
// all such slots of a route. A source that uses less memory than a key that is
// too heavy has none.
func (w *pair) comb(ctx context.Context, cut []int) (heavy map[int]error, err error) {
	w.combed.Lock()
	defer w.combed.Unlock()
	todo := slot.Set{}
	for _, s := range slices.Concat(cut, w.combed.want) {
		todo.Add(s)
	}
	if !slices.ContainsFunc(cut, func(s int) bool { return !w.combed.done.Has(s) }) {
		return w.combed.heavy, nil
	}
	info, err := w.from.info(ctx, "memory")
	if err != nil {
		return nil, err
	}
	heavy = map[int]error{}
	for db := 0; db < w.from.dbs && w.tooHeavy(info.Memory.Used); db++ {
		if err := w.scan(ctx, db, todo, heavy); err != nil {
			return nil, err
		}
	}
	w.combed.done, w.combed.heavy = todo, heavy
	return heavy, nil
}

// scan weighs the keys of slots in one database.
func (w *pair) scan(ctx context.Context, db int, slots slot.Set, heavy map[int]error) error {
	for cursor, end := "0", false; !end; end = cursor == "0" {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := w.from.pipe(ctx, db, slack, [][]any{{"SCAN", cursor, "COUNT", 1000}})[0]
		page, _ := r.Value.([]any)
		if r.Err != nil || len(page) != 2 {
			return fmt.Errorf("scan %s: %w", w.from.name, orGarbage(r))
		}
		cursor = fmt.Sprint(page[0])
		todo := sorted(page[1], slots)
		if err := w.weigh(ctx, db, todo); err != nil {
			return err
		}
		for _, b := range todo {
			if hold := w.heavyIn(b); hold != nil {
				heavy[b.slot] = hold
			}
		}
	}
	return nil
}

// sorted are those of the keys that belong to slots, by slot.
func sorted(keys any, slots slot.Set) []batch {
	bySlot := map[int]*batch{}
	list, _ := keys.([]any)
	for _, k := range list {
		key, _ := k.(string)
		s := slot.Of(key)
		if !slots.Has(s) {
			continue
		}
		if bySlot[s] == nil {
			bySlot[s] = &batch{slot: s}
		}
		bySlot[s].keys = append(bySlot[s].keys, key)
	}
	var out []batch
	for _, b := range bySlot {
		out = append(out, *b)
	}
	return out
}
