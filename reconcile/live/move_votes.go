package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
// Nothing else follows from it. The source goes on serving the slots, for it knows
// the target's epoch already (awaitEpoch), and what the others tell it of that is no news.
// Clients that ask one of the others find the source by way of the target. And it
// does not last: the target's next message, which does not claim the slots, and the
// source's next, which does, make the others take the source for the owner again
// (0.7 to 3 s; Redis 7.0 and 8.0, Valkey 8 and 9.1).
//
// Who has voted since votes were counted may have elected such a replica. Those
// that do not answer can't be told, and may vote.
func (w *pair) warn(ctx context.Context, slots []int, counted map[*end]string) error {
	var all sync.WaitGroup
	errs := make([]error, len(w.others))
	for i, e := range w.others {
		all.Go(func() {
			e.setSlots(ctx, slots, "NODE", w.to.id)
			errs[i] = e.silent(ctx, counted[e])
		})
	}
	all.Wait()
	errs = append(errs, w.to.silent(ctx, counted[w.to]))
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

// withdraw takes a warning back where the target has surely not got the slots.
// What goes wrong here gossip mends.
func (w *pair) withdraw(ctx context.Context, slots []int) {
	owned, err := w.to.owned(ctx)
	if err != nil || slices.ContainsFunc(slots, owned.Has) {
		return
	}
	var all sync.WaitGroup
	for _, e := range w.others {
		all.Go(func() { e.setSlots(ctx, slots, "NODE", w.from.id) })
	}
	all.Wait()
}

// voted is a master that has given its vote to a replica since slots were to be
// handed over. Whose replica that was it does not tell.
type voted struct{ at string }

func (e voted) Error() string {
	return e.at + " has voted for a replica while slots were to be handed over: they are handed over when nobody is elected"
}

// silent is an error when a master has voted since it was counted. One that does
// not answer, now or then, is not known to have.
func (e *end) silent(ctx context.Context, counted string) error {
	now, err := e.votes(ctx)
	if err == nil && counted != "" && now != counted {
		return voted{e.name}
	}
	return nil
}

// votes is how many votes a master has cast since it was started.
func (e *end) votes(ctx context.Context) (string, error) {
	v, err := e.ask(ctx, "CLUSTER", "INFO")
	if err != nil {
		return "", err
	}
	_, rest, any := strings.Cut(fmt.Sprint(v), "auth-ack_sent:")
	if !any { // what never was is left out
		return "0", nil
	}
	count, _, _ := strings.Cut(rest, "\r\n")
	return count, nil
}

// countVotes asks everybody whose vote can be told from how many it has cast.
func (w *pair) countVotes(ctx context.Context) map[*end]string {
	voters := append(slices.Clone(w.others), w.to)
	counts := make([]string, len(voters))
	var all sync.WaitGroup
	for i, e := range voters {
		all.Go(func() { counts[i], _ = e.votes(ctx) }) // "" when it does not answer
	}
	all.Wait()
	out := map[*end]string{}
	for i, e := range voters {
		out[e] = counts[i]
	}
	return out
}

// awaitEpoch waits until the other masters know an epoch of the target by which
// they refuse votes, and the source knows the one it has: to a source that does not,
// what the others say of the target would be news.
func (w *pair) awaitEpoch(ctx context.Context) error {
	to, err := w.to.epochs(ctx)
	if err != nil || to.own == w.known {
		return err
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
	if err := w.hears(ctx, w.from, to.own); err != nil {
		return err
	}
	w.known = to.own
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
