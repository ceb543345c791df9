package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// smallLag is how many bytes a replica may be behind its master and still count
// as synced: a busy master is always a little ahead.
const smallLag = 1 << 20

// follow makes nodes replicas of masters, all at once: the planner puts
// followers that hold data in stages of their own.
func (w *work) follow(ctx context.Context, steps []plan.Step) error {
	replicas := make([]*look, len(steps))
	errs := make([]error, len(steps), len(steps)+1)
	each(steps, func(i int, s plan.Step) {
		if replicas[i], errs[i] = w.attach(ctx, s); errs[i] != nil {
			errs[i] = fmt.Errorf("let %s follow %s: %w", s.Node, s.To, errs[i])
		}
	})
	var attached []*look
	masters := map[string]string{} // by the replica's ID
	for i, s := range steps {
		if errs[i] == nil {
			attached = append(attached, replicas[i])
			masters[replicas[i].self.ID] = w.seen.Node(s.To).ID
		}
	}
	if len(attached) == 0 {
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, w.agree(ctx, w.members(), attached, func(l *look) []string {
		var missing []string
		for id, master := range masters {
			if line := l.knows(id); line == nil || line.Master != master {
				missing = append(missing, id)
			}
		}
		return missing
	}))...)
}

// attach makes one node follow its master and waits until it has the data.
func (w *work) attach(ctx context.Context, s plan.Step) (*look, error) {
	master, err := w.lookByName(ctx, s.To)
	if err != nil {
		return nil, err
	}
	if !master.self.Flags.Master {
		return nil, fmt.Errorf("%s is no master any more", s.To)
	}
	replica, err := w.replicate(ctx, s, master)
	if err != nil {
		return nil, err
	}
	return replica, w.synced(ctx, s, master)
}

// replicate waits until the node knows the master and tells it to follow. A node
// that follows already is left alone: on Redis the same command again drops the
// link and starts the sync from the beginning.
func (w *work) replicate(ctx context.Context, s plan.Step, master *look) (*look, error) {
	n, err := w.node(s.Node)
	if err != nil {
		return nil, err
	}
	var replica *look
	err = until(ctx, patience.agree, func(ctx context.Context) error {
		l, err := w.look(ctx, n)
		if err != nil {
			return err
		}
		replica = l
		if l.self.Master == master.self.ID {
			return nil
		}
		if line := l.knows(master.self.ID); line == nil || !line.Flags.Master {
			return fmt.Errorf("%s does not know %s as a master yet", s.Node, s.To)
		}
		if err := w.mayDrop(ctx, l); err != nil {
			return final{err}
		}
		if _, err := w.command(ctx, l.addr, "CLUSTER", "REPLICATE", master.self.ID); err != nil {
			return final{err}
		}
		return nil
	})
	return replica, err
}

// synced waits until the replica has its master's data. A sync that outlasts the
// patience goes on by itself; that is no error, the next pass sees it.
func (w *work) synced(ctx context.Context, s plan.Step, master *look) error {
	n, err := w.node(s.Node)
	if err != nil {
		return err
	}
	told := time.Now()
	err = until(ctx, patience.sync, func(ctx context.Context) error {
		behind := w.inSync(ctx, n, master)
		if behind != nil && time.Since(told) > time.Second {
			told = time.Now()
			w.waiting(s, behind.Error())
		}
		return behind
	})
	var still syncing
	switch {
	case errors.As(err, &still) && ctx.Err() == nil:
		w.waiting(s, still.Error())
		return nil
	case err == nil:
		w.done(s, "")
	}
	return err
}

// syncing says that a replica is on its way and nothing is wrong.
type syncing string

func (s syncing) Error() string { return string(s) }

// inSync is nil when the replica's link to the master is up, no sync runs, and
// it is at most smallLag behind.
func (w *work) inSync(ctx context.Context, n *cluster.Node, master *look) error {
	replica, err := w.look(ctx, n)
	if err != nil {
		return err
	}
	switch lag := master.info.Offset - replica.info.Offset; {
	case replica.self.Master != master.self.ID:
		return final{fmt.Errorf("%s does not follow %s any more", n.Name, master.name)}
	case !replica.info.Linked:
		return syncing(n.Name + " is not in sync with " + master.name + " yet")
	case lag > smallLag:
		return syncing(fmt.Sprintf("%s is %d bytes behind %s", n.Name, lag, master.name))
	}
	return nil
}
