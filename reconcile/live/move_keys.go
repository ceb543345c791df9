package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// strikes bounds how often in a row the keys of an open slot are tried again
// when nobody can tell whether they moved.
const strikes = 5

// batch are keys of one slot that one MIGRATE takes: in cluster mode all keys
// of a command must be of one slot.
type batch struct {
	slot  int
	keys  []string
	bytes []int64 // what each key takes in the source's memory
}

// weight is what the keys cost the servers, see pace.
func (b batch) weight() (sum float64) {
	for _, n := range b.bytes {
		sum += weight(n)
	}
	return sum
}

// empty moves keys until the source holds none of the slots, and can get none.
//
// The first listing was made before the slots were marked: a key that went since
// answers NOKEY, and one that came is in the next listing. What is left is listed
// anew after every unknown answer (IOERR, a timeout, a broken connection): the key
// may be at either end or at both, see emptying. Before the next try the ends are
// ready for each other again: a target that lost sight of an owner of slots, which a
// failover elsewhere is enough for, answers CLUSTERDOWN until it is told.
//
// A slot that a key too heavy has come to since is held, and the others go on. It
// can't be brought back either, for that takes the same key there and back again,
// so it stays open, and clients find every key.
func (w *pair) empty(ctx context.Context, slots []int, found [][]batch) error {
	e, err := w.emptying(ctx, slots)
	if err != nil {
		return err
	}
	missed, left := 0, slots
	for len(left) > 0 {
		unknown, err := e.sweep(ctx, left, found)
		found = nil
		e.clear(ctx)
		if err != nil {
			return err
		}
		if unknown == nil {
			missed = 0
		} else if missed++; missed > strikes {
			return fmt.Errorf("keys of %s do not reach %s: %w", w.from.name, w.to.name, unknown)
		} else if err := e.regroup(ctx, missed); err != nil {
			return err
		}
		if left, err = e.seal(ctx, slots); err != nil {
			return err
		}
		left = without(left, e.held)
	}
	return joined(e.held)
}

// regroup waits longer with every miss, and until the ends are ready again. What
// the target had in its socket until then has made more copies.
func (w *emptying) regroup(ctx context.Context, missed int) error {
	if err := pause(ctx, time.Duration(missed)*200*time.Millisecond); err != nil {
		return err
	}
	if err := w.meet(ctx); err != nil {
		return err
	}
	w.clear(ctx)
	w.doubts = nil
	return nil
}

// sweep sends what one listing of every database shows, or has shown.
func (w *emptying) sweep(ctx context.Context, slots []int, found [][]batch) (unknown, err error) {
	for db := range w.from.dbs {
		var todo []batch
		slots := without(slots, w.held)
		if found != nil {
			todo = slices.DeleteFunc(found[db], func(b batch) bool { return !slices.Contains(slots, b.slot) })
		} else if todo, err = w.find(ctx, db, slots); err != nil {
			return nil, err
		}
		if unknown, err := w.send(ctx, db, todo); unknown != nil || err != nil {
			return unknown, err
		}
	}
	return nil, nil
}

// burstSlots is how many MIGRATEs one burst has at most, one for each slot. A
// server carries out a burst without a look at anything else, and when the
// target does not answer, each MIGRATE waits for as long as it may: all of them
// together must not outlast the node timeout, and each needs time enough on a
// busy machine. Four of them have 375 ms each with a node timeout of 2 s; more
// than that is spent on more slots.
func (w *pair) burstSlots() int {
	const least, most, each = 4, 16, 375 * time.Millisecond
	return min(max(int(w.timeout/each), least), most)
}

// send moves the keys of the batches in bursts. It stops at the first answer
// that says neither yes nor no, and returns that as unknown.
func (w *emptying) send(ctx context.Context, db int, todo []batch) (unknown, err error) {
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := w.to.memory.err(); err != nil {
			return nil, err
		}
		var now []batch
		now, todo = slice(todo, w.from.pace.room(), w.burstSlots())
		if hold := w.heavy(now); hold != nil {
			w.held[now[0].slot] = hold
			todo = slices.DeleteFunc(todo, func(b batch) bool { return b.slot == now[0].slot })
			continue
		}
		if err := w.escort(ctx, now); err != nil {
			return nil, err
		}
		if unknown, err = w.burst(ctx, db, now); unknown != nil || err != nil {
			return unknown, err
		}
	}
	return nil, nil
}

// slice takes batches off todo until they weigh as much as there is room for,
// at least one key, and so many batches at most. A slot that has room in a burst of
// its own is not cut, for every MIGRATE more costs both servers.
func slice(todo []batch, room float64, most int) (now, rest []batch) {
	whole := room
	for len(todo) > 0 && len(now) < most {
		b := todo[0]
		n := 0
		for n < len(b.keys) && (room >= weight(b.bytes[n]) || n == 0 && len(now) == 0) {
			room -= weight(b.bytes[n])
			n++
		}
		if n < len(b.keys) && b.weight() <= whole {
			break
		}
		if n > 0 {
			now = append(now, batch{b.slot, b.keys[:n], b.bytes[:n]})
		}
		if n < len(b.keys) {
			todo[0].keys, todo[0].bytes = b.keys[n:], b.bytes[n:]
			break
		}
		todo = todo[1:]
	}
	return now, todo
}

// burst sends one MIGRATE a batch in one go and judges the answers.
func (w *emptying) burst(ctx context.Context, db int, todo []batch) (unknown, err error) {
	cmds, keys, sum := make([][]any, len(todo)), 0, 0.0
	for i, b := range todo {
		cmds[i] = w.migrate(db, b.keys, w.timeout/time.Duration(len(todo)))
		keys += len(b.keys)
		sum += b.weight()
	}
	begin := time.Now()
	replies := w.from.pipe(ctx, db, w.wait(), cmds)
	took := time.Since(begin)
	w.from.pace.learn(sum, took, max(w.from.probe.high(), w.to.probe.high()))
	said := map[ServerError]bool{} // one reason refuses every slot: once is enough
	for i, r := range replies {
		lost, bad := w.judge(ctx, db, todo[i], r.Err)
		if unknown = errors.Join(unknown, lost); lost != nil {
			w.doubts = append(w.doubts, doubt{todo[i], db})
		}
		var s ServerError
		if errors.As(bad, &s) && said[s] {
			continue
		}
		said[s] = true
		err = errors.Join(err, bad)
	}
	if unknown == nil && err == nil {
		w.sent.Add(int64(keys))
		w.bytes.Add(int64(sum) - int64(keys)*perKey)
	}
	return unknown, err
}

// wait is how long a client waits for a burst: longer than the server may take,
// for it goes on also when the client has given up.
func (w *pair) wait() time.Duration { return w.timeout + slack }
