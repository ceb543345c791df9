package live

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// warn has the other masters take the target for the owner of slots, right before
// it claims them: from now on they refuse their votes to a replica of the source,
// which claims the same slots with a config epoch that is no greater than the
// target's (clusterSendFailoverAuthIfNeeded). Without it the replica may have its
// votes while the claim is on its way to those who cast them, and an epoch that is
// no smaller than the target's, which then drops every key it was sent.
//
// Nothing else follows from it. The source goes on serving the slots: it knows the
// target's epoch already (awaitEpoch), so that what the others say of the target is
// no news to it. Clients that ask one of the others find the source by way of the
// target. And it does not last: the target's next message, which does not claim the
// slots, and the source's next, which does, make the others take the source for the
// owner again (after 0.7 to 3 s with Redis 7.0 and 8.0, Valkey 8 and 9.1).
//
// Who has voted since votes were counted may have elected such a replica. Those
// that do not answer can't be told, and may vote; they are not waited for again.
func (w *pair) warn(ctx context.Context, slots []int, counted map[*end]string) error {
	var all sync.WaitGroup
	now := make([]string, len(w.others))
	for i, e := range w.others {
		if counted[e] != "" {
			all.Go(func() { now[i] = e.told(ctx, slots, w.to.id) })
		}
	}
	all.Wait()
	for i, e := range w.others {
		switch {
		case now[i] == "":
			delete(counted, e)
		case now[i] != counted[e]:
			return voted{e.name}
		}
	}
	return nil
}

// told tells a master the owner of slots, and then how many votes it has cast, ""
// when it does not answer, or its replicas do not. What it refuses it can't be told.
func (e *end) told(ctx context.Context, slots []int, owner string) (votes string) {
	cmds := setSlot(slots, "NODE", owner)
	if e.sends {
		for _, r := range e.mark(ctx, cmds) {
			if r.Err != nil && (unanswered(r.Err) || refused(r.Err, "NOREPLICAS")) {
				return ""
			}
		}
		cmds = nil
	}
	return e.votesAfter(ctx, cmds)
}

// votesAfter sends commands and then asks how many votes the node has cast, "" when it
// does not answer.
func (e *end) votesAfter(ctx context.Context, cmds [][]any) string {
	replies := e.spare(ctx, append(cmds, []any{"CLUSTER", "INFO"}))
	at, _ := e.readEpochs(replies[len(cmds)].Value)
	return at.votes
}

// withdraw takes a warning back where the target has not got the slots. What goes
// wrong here gossip mends, as long as the target lives.
func (w *pair) withdraw(ctx context.Context, slots []int) {
	if !w.untaken(ctx, slots) {
		return
	}
	var all sync.WaitGroup
	for _, e := range w.others {
		all.Go(func() { e.told(ctx, slots, w.from.id) })
	}
	all.Wait()
}

// untaken says that a target has surely not got slots, or that it may have and died:
// the source calls it failed and has the slots. The others would take a dead one for
// their owner until somebody forgets it: it says nothing any more, its heir claims
// only what it knows of, and the source's epoch is too small. They would say
// cluster_state:fail and serve no slot. Before it is called failed it may speak yet.
func (w *pair) untaken(ctx context.Context, slots []int) bool {
	for end := time.Now().Add(3 * w.timeout); time.Now().Before(end); {
		if to, _, err := w.to.glance(ctx); err == nil && to.ID == w.to.id {
			return holding(to, slots) == 0
		}
		from, lines, err := w.from.view(ctx)
		if err != nil || w.from.leads(from) != nil {
			return false
		}
		failed := slices.ContainsFunc(lines, func(l cluster.Line) bool { return l.ID == w.to.id && l.Flags.Fail })
		if failed || ctx.Err() != nil {
			return holding(from, slots) == len(slots)
		}
		_ = pause(ctx, 100*time.Millisecond)
	}
	return false
}

// holding is how many of the slots a node owns by its own line.
func holding(self cluster.Line, slots []int) (n int) {
	owned := self.Slots()
	for _, s := range slots {
		if owned.Has(s) {
			n++
		}
	}
	return n
}

// voted is a master that has given its vote to a replica since slots were to be
// handed over. Whose replica that was it does not tell.
type voted struct{ at string }

func (e voted) Error() string {
	return e.at + " has voted for a replica while slots were to be handed over: they are handed over when nobody is elected"
}

// poll asks everybody whose vote can be told from how many it has cast, and the
// target for its config epoch.
func (w *pair) poll(ctx context.Context) (counted map[*end]string, own uint64, err error) {
	votes := make([]string, len(w.others))
	var all sync.WaitGroup
	for i, e := range w.others {
		all.Go(func() { votes[i] = e.votesAfter(ctx, nil) })
	}
	to, err := w.to.epochs(ctx)
	all.Wait()
	counted = map[*end]string{w.to: to.votes}
	for i, e := range w.others {
		counted[e] = votes[i]
	}
	return counted, to.own, err
}

// awaitEpoch waits until the other masters know an epoch of the target by which
// they refuse votes, and the source knows the one it has: to a source that does not,
// what the others say of the target would be news.
func (w *pair) awaitEpoch(ctx context.Context, own uint64) error {
	if own == w.known.Load() {
		return nil
	}
	from, err := w.from.epochs(ctx)
	if err != nil {
		return err
	}
	for _, e := range w.others {
		if err := w.hears(ctx, e, from.own+1); err != nil {
			return err
		}
	}
	if err := w.hears(ctx, w.from, own); err != nil {
		return err
	}
	w.known.Store(own)
	return w.linked(ctx)
}

// linked waits for a while until the target can speak to all of them. A node that
// gets a MEET over a new connection closes the one before (7.0 and newer,
// setClusterNodeToInboundClusterLink), and its sender connects anew some 100 ms
// later: a claim that was made meanwhile would reach it with the next ping only.
func (w *pair) linked(ctx context.Context) error {
	for range 50 {
		_, lines, err := w.to.view(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(lines, func(l cluster.Line) bool { return l.Flags.Handshake || w.cutOff(l) }) {
			return nil
		}
		_ = pause(context.WithoutCancel(ctx), 20*time.Millisecond)
	}
	return nil
}

// cutOff says that a line of the target's is one of the source or another master,
// and that it is not connected to that.
func (w *pair) cutOff(l cluster.Line) bool {
	return !l.Linked && (l.ID == w.from.id || slices.ContainsFunc(w.others, func(e *end) bool { return e.id == l.ID }))
}

// hears waits for one of them, unless it does not answer, or takes the target for
// a replica: what is to be known then others look for. A run that is told to stop
// waits for a second at most.
func (w *pair) hears(ctx context.Context, e *end, epoch uint64) error {
	for try := range 500 {
		_, lines, err := e.view(ctx)
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		i := slices.IndexFunc(lines, func(l cluster.Line) bool { return l.ID == w.to.id })
		if i >= 0 && (lines[i].Epoch >= epoch || !lines[i].Flags.Master) {
			return nil
		}
		if ctx.Err() != nil && try > 50 {
			return ctx.Err()
		}
		_ = pause(context.WithoutCancel(ctx), 20*time.Millisecond)
	}
	return fmt.Errorf("%s does not hear of the config epoch of %s: the members have to agree before slots move", e.name, w.to.name)
}
