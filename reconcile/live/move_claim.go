package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// promptly is how long after a look at its replicas a master may still take
// slots or an epoch. A replica that did not call its master failed at the look
// waits for at least 500 ms once it does, before it asks for votes
// (clusterHandleSlaveFailover), so it does not lead by then.
const promptly = 400 * time.Millisecond

// prompts bounds how often a master is looked at anew because it was late: on a
// busy machine that happens without any trouble.
const prompts = 20

// inTime sends commands that must not be carried out after until, in ms of the
// server's own clock, nor when it has cast another number of votes; see firm.
func (e *end) inTime(ctx context.Context, until int64, votes string, cmds [][]any) []error {
	out := make([]error, len(cmds))
	for i, r := range e.firm(ctx, until, votes, cmds) {
		out[i] = r.Err
	}
	return out
}

// clock is the time at a server, in ms.
func (e *end) clock(ctx context.Context) (int64, error) {
	v, err := e.ask(ctx, "TIME")
	if err != nil {
		return 0, err
	}
	words, _ := v.([]any)
	if len(words) != 2 {
		return 0, fmt.Errorf("%s does not tell its time", e.name)
	}
	s, err1 := strconv.ParseInt(fmt.Sprint(words[0]), 10, 64)
	us, err2 := strconv.ParseInt(fmt.Sprint(words[1]), 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("%s tells the time %v", e.name, words)
	}
	return s*1000 + us/1000, nil
}

// timely has a master take slots or an epoch while none of the replicas can have
// taken its place unseen: look makes sure of all else, at the same time for the sake of
// who is far away; then warn tells others, and do tells the master, by its own clock,
// until when it may. One that is late is looked at again.
//
// Why its own clock: a master may stand still at any moment, for longer than the
// node timeout, and what we sent waits in its socket. It reads that before the
// message of its heir, for the heir has to connect to it anew. It would rise above
// the heir's epoch, or to the very same one, and both would stay masters. A master
// whose clock is set back meanwhile is not kept from that.
func timely(ctx context.Context, master *end, replicas []heir, look, warn func() error, do func(until int64) error) error {
	for try := 1; ; try++ {
		begin := time.Now()
		now, err := master.clock(ctx)
		if err != nil {
			return err
		}
		looked := make(chan error, 1)
		go func() { looked <- look() }()
		replicas, err = unreplaced(ctx, replicas)
		if err := cmp.Or(err, <-looked); err != nil {
			return err
		}
		if err := warn(); err != nil {
			return err
		}
		if time.Since(begin) < promptly {
			if err := do(now + promptly.Milliseconds()); !refused(err, "LATE ") {
				return err
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case try == prompts:
			return fmt.Errorf("%s, its replicas and the other masters took more than %s to answer, %d times in a row: nothing is given to it", master.name, promptly, try)
		}
	}
}

// unreplaced is nil when none of the replicas leads and none of them calls its
// master failed. It returns those that answer: one that does not is no heir that
// takes writes, and is not waited for again.
func unreplaced(ctx context.Context, replicas []heir) ([]heir, error) {
	answers, errs := make([]bool, len(replicas)), make([]error, len(replicas))
	var all sync.WaitGroup
	for i, h := range replicas {
		all.Go(func() { answers[i], errs[i] = h.unreplaced(ctx) })
	}
	all.Wait()
	var out []heir
	for i, h := range replicas {
		if answers[i] {
			out = append(out, h)
		}
	}
	return out, errors.Join(errs...)
}

func (h heir) unreplaced(ctx context.Context) (answers bool, err error) {
	self, lines, err := h.glance(ctx)
	if err != nil || self.ID != h.id {
		return false, nil //nolint:nilerr // as above
	}
	if self.Flags.Master {
		return true, fmt.Errorf("%s has taken the place of %s: %s is handed no slot and hands none over", h.name, h.of.name, h.of.name)
	}
	for _, l := range lines {
		if l.ID == h.of.id && l.Flags.Fail {
			return true, fmt.Errorf("%s calls %s failed and may take its place: %s is handed no slot and hands none over", h.name, h.of.name, h.of.name)
		}
	}
	return true, nil
}

// claim makes the slots the target's in its own view, with a config epoch that
// wins. SETSLOT NODE takes a new epoch only for a slot that is marked as
// importing; without one gossip gives the slot back to the source seconds
// later and the target drops the keys. So the mark is confirmed first, in a
// round trip of its own.
func (w *pair) claim(ctx context.Context, slots []int) error {
	if _, err := w.importing(ctx, slots); err != nil {
		return err
	}
	if err := w.outrank(ctx, []*end{w.from}, []*end{w.to}); err != nil {
		return err
	}
	if err := w.take(ctx, slots); err != nil {
		return err
	}
	return w.confirm(ctx, slots)
}

// take has the target take slots after the others are warned. Its epoch must not
// rise in between.
func (w *pair) take(ctx context.Context, slots []int) error {
	w.to.rising.RLock()
	defer w.to.rising.RUnlock()
	counted, own, err := w.poll(ctx)
	if err != nil {
		return err
	}
	if err := w.awaitEpoch(ctx, own); err != nil {
		return err
	}
	warned := false
	err = timely(ctx, w.to, w.replicas,
		func() error { return w.undisturbed(ctx, slots) },
		func() error {
			warned = true
			return w.warn(ctx, slots, counted)
		},
		func(until int64) error { return w.to.take(ctx, slots, until, counted[w.to]) })
	if err != nil && warned {
		w.withdraw(ctx, slots)
	}
	return err
}

// take makes a master the owner of slots that it imports, until a time and
// unless it is giving way to a replica. Valkey 8 and newer have their replicas
// agree first, which an heir does not, and abort when a script has SETSLOT.
func (e *end) take(ctx context.Context, slots []int, until int64, votes string) error {
	if e.sends {
		if at, err := e.epochs(ctx); err == nil && at.votes != votes {
			return voted{e.name}
		}
		return cmp.Or(e.setSlots(ctx, slots, "NODE", e.id)...)
	}
	cmds := taking(slots, e.id)
	out := e.inTime(ctx, until, votes, cmds)
	i := slices.IndexFunc(out, func(err error) bool { return err != nil })
	switch {
	case i < 0:
		return nil
	case refused(out[i], "VOTED "):
		return voted{e.name}
	}
	return fmt.Errorf("slot %v node at %s: %w", cmds[i][2], e.name, out[i])
}

// taking are the commands of a script by which a master takes slots it imports. For
// each one that is marked it would tell all members at once, in a message of more than
// 2 KB that they compare slot by slot (clusterBroadcastPong in clusterCommandSetSlot):
// half of what a move of empty slots costs the servers. So only the last one still has
// its mark, and what it tells then holds all of them. Nobody sees one without a mark
// and an owner in between, for a script runs as a whole; and none is given back for
// its mark, for the epoch outranks the source's before (outrank).
func taking(slots []int, id string) [][]any {
	var cmds [][]any
	last := len(slots) - 1
	for _, s := range slots[:last] {
		cmds = append(cmds, setSlot([]int{s}, "STABLE")[0], setSlot([]int{s}, "NODE", id)[0])
	}
	return append(cmds, setSlot(slots[last:], "NODE", id)...)
}

// confirm asks the target whether it owns what it was told to take. The
// connection may have been made anew meanwhile, and to whoever stands at its
// address; a source that let go of a slot then would leave it to nobody.
func (w *pair) confirm(ctx context.Context, slots []int) error {
	self, _, err := w.to.view(ctx)
	switch {
	case err != nil:
		return err
	case self.ID != w.to.id:
		return w.to.isNow(self.ID)
	case !self.Flags.Master:
		return fmt.Errorf("%s is a replica now: no slot is handed over between %s and %s", w.to.name, w.from.name, w.to.name)
	}
	owned := self.Slots()
	for _, s := range slots {
		if !owned.Has(s) {
			return fmt.Errorf("%s does not own slot %d, though it took it", w.to.name, s)
		}
	}
	return nil
}
