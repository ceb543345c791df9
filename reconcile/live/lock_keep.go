package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// beat is how often a run that holds the lock shows at every node that its name
// is alive. A server closes a connection that is idle for more whole seconds
// than its `timeout` says, so that less than a second is soon enough for all.
const beat = 500 * time.Millisecond

// keepNamed keeps the names of a lock alive until it is given back or lost. Only
// another run that acts is a loss: a node that does not answer can't be acted on
// either, and the beat that reaches it again looks who came meanwhile.
func (c *Cluster) keepNamed(ctx context.Context, h *held) {
	h.alive, h.end = context.WithCancelCause(ctx)
	h.beating.Go(func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-h.alive.Done():
				return
			case <-tick.C:
			}
			_ = c.checkNames(h.alive, h) // a loss has ended alive
		}
	})
}

// whileHeld is ctx until the lock is lost, which is its cause then.
func (c *Cluster) whileHeld(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	h := c.held
	if h == nil {
		return ctx, func() { cancel(nil) }
	}
	stop := context.AfterFunc(h.alive, func() { cancel(context.Cause(h.alive)) })
	return ctx, func() { stop(); cancel(nil) }
}

// lost is how another run came to have the lock that this one held, or nil. It
// stays so until the lock is given back, even when the other run is gone: what
// it did is not in the state that this run has seen.
func (c *Cluster) lost() error {
	if c.held == nil {
		return nil
	}
	return context.Cause(c.held.alive)
}

// stillHeld makes sure, before a stage, that this run is still the only actor.
// Without a lock there is nothing to check: the caller has chosen so.
func (c *Cluster) stillHeld(ctx context.Context) error {
	if c.held == nil || len(c.held.conns) == 0 {
		return nil
	}
	return c.checkNames(ctx, c.held)
}

// checkNames looks at every node whether the name is there, and names this run
// again where it was lost with its connection: another run may have come in
// between. Others that show up beside the name are about to step back.
func (c *Cluster) checkNames(ctx context.Context, h *held) error {
	h.looking.Lock()
	defer h.looking.Unlock()
	reached := make([]bool, len(h.conns))
	names := slices.Collect(maps.Keys(h.conns))
	errs := make([]error, len(names))
	each(names, func(i int, name string) { reached[i], errs[i] = h.renew(ctx, h.conns[name]) })
	for i, name := range names {
		if reached[i] && errs[i] != nil {
			h.end(fmt.Errorf("the lock on %s is lost at %s: %w", c.want.Name, name, errs[i]))
		}
	}
	switch {
	case h.alive.Err() != nil:
		return context.Cause(h.alive)
	case ctx.Err() != nil: // nobody waited for the answers; the lock may well be held
		return ctx.Err()
	case len(names) > 0 && !slices.Contains(reached, true):
		return fmt.Errorf("the lock on %s is lost: %w", c.want.Name, errors.Join(errs...))
	}
	return nil
}

// renew names a connection again that was made anew. The error after reaching
// the node says that another run has it.
func (h *held) renew(ctx context.Context, conn Conn) (reached bool, err error) {
	mine, err := h.named(ctx, conn)
	if hungUp(err) { // the next command dials anew
		mine, err = h.named(ctx, conn)
	}
	if err != nil || mine {
		return err == nil, err
	}
	// What follows is done to its end: a name without the look after it would
	// pass for one that was never lost.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience.answer)
	defer cancel()
	if _, err := conn.Do(ctx, "CLIENT", "SETNAME", h.mark); err != nil {
		return false, err
	}
	mine, other, err := h.namesAt(ctx, conn)
	var refusal ServerError
	switch {
	case other != "":
		return true, fmt.Errorf("another run acts: %s", other)
	case errors.As(err, &refusal): // the name stays, and nobody can tell who else is there
		return true, err
	case err == nil && !mine:
		err = errors.New("the connection was lost again")
	}
	return err == nil, err
}

// named reports whether a connection still has the name, which is less to ask
// for than the list of all clients.
func (h *held) named(ctx context.Context, conn Conn) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience.answer)
	defer cancel()
	name, err := conn.Do(ctx, "CLIENT", "GETNAME")
	return name == h.mark, err
}
