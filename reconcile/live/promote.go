package live

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// failovers is how often a manual failover is asked for before the step gives
// up until the next pass.
const failovers = 3

// promote makes replicas take over from their masters, one after the other.
func (w *work) promote(ctx context.Context, steps []plan.Step) error {
	var errs []error
	for _, s := range steps {
		if err := w.promoteOne(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("promote %s over %s: %w", s.Node, s.From, err))
			continue
		}
		w.done(s, "")
	}
	return errors.Join(errs...)
}

// promoteOne uses the plain form of CLUSTER FAILOVER only: the master stops its
// clients until the replica has everything, so no write is lost. The server
// answers OK and may do nothing, and gives up silently after its own timeout; so
// the roles are watched and the command is repeated.
func (w *work) promoteOne(ctx context.Context, s plan.Step) error {
	var err error
	for range failovers {
		master, replica, e := w.pair(ctx, s)
		if e != nil {
			return e
		}
		if took(replica, master) {
			return w.settle(ctx, master, replica)
		}
		if e := mayPromote(master, replica); e != nil {
			return e
		}
		if e := w.failover(ctx, replica); e != nil {
			return e
		}
		if err = w.elected(ctx, s, master.self.Slots()); err == nil {
			return w.settle(ctx, master, replica)
		}
	}
	return err
}

// failover asks for a manual failover. The replica refuses while its bus link
// to the master is being made again, which passes.
func (w *work) failover(ctx context.Context, replica *look) error {
	return until(ctx, patience.flip, func(ctx context.Context) error {
		_, err := w.command(ctx, replica.addr, "CLUSTER", "FAILOVER")
		if err != nil && !strings.Contains(err.Error(), "Master is down or failed") {
			return final{err}
		}
		return err
	})
}

// elected waits until the replica is a master with the slots.
func (w *work) elected(ctx context.Context, s plan.Step, slots slot.Set) error {
	return until(ctx, patience.flip, func(ctx context.Context) error {
		now, err := w.lookByName(ctx, s.Node)
		if err != nil {
			return err
		}
		if !now.self.Flags.Master || slots.Minus(now.self.Slots()) != (slot.Set{}) {
			return fmt.Errorf("%s was not elected", s.Node)
		}
		return nil
	})
}

func (w *work) pair(ctx context.Context, s plan.Step) (master, replica *look, err error) {
	if master, err = w.lookByName(ctx, s.From); err == nil {
		replica, err = w.lookByName(ctx, s.Node)
	}
	return master, replica, err
}

// took reports whether the roles are changed already.
func took(replica, master *look) bool {
	return replica.self.Flags.Master && len(replica.self.Ranges) > 0 && master.self.Master == replica.self.ID
}

// mayPromote is nil when the replica is synced and the master is at rest: the
// marks of half-moved slots do not survive a failover, and a shard without slots
// never elects.
func mayPromote(master, replica *look) error {
	lag := master.info.Offset - replica.info.Offset
	switch {
	case replica.self.Master != master.self.ID:
		return fmt.Errorf("%s does not follow %s", replica.name, master.name)
	case !master.self.Flags.Master:
		return fmt.Errorf("%s is no master any more", master.name)
	case len(master.self.Ranges) == 0:
		return fmt.Errorf("%s owns no slots, so nobody would be elected", master.name)
	case len(master.self.Open) > 0:
		return fmt.Errorf("slot %d of %s is half moved", master.self.Open[0].Slot, master.name)
	case !replica.info.Linked:
		return fmt.Errorf("%s is not in sync with %s", replica.name, master.name)
	case lag > smallLag:
		return fmt.Errorf("%s is %d bytes behind %s", replica.name, lag, master.name)
	}
	return nil
}

// settle waits until every member knows the new roles, the old master's own
// word included.
func (w *work) settle(ctx context.Context, old, leader *look) error {
	return w.agree(ctx, w.members(), []*look{old, leader}, func(l *look) []string {
		var missing []string
		if line := l.knows(leader.self.ID); line == nil || !line.Flags.Master || len(line.Ranges) == 0 {
			missing = append(missing, leader.self.ID)
		}
		if line := l.knows(old.self.ID); line == nil || line.Master != leader.self.ID {
			missing = append(missing, old.self.ID)
		}
		return missing
	})
}
