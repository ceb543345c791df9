package live

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// leaver is a node on its way out.
type leaver struct {
	step plan.Step
	id   string
	look *look // nil: it is silent
}

// forget takes nodes out of the cluster for good.
//
// First the node itself is RESET, then every member forgets it. In this order a
// crash in between leaves a node that everybody still lists, so the next run
// sees it and goes on; the other way round it would be out of sight and full of
// the old cluster. It also comes before the FORGET because a node that still
// knows the cluster meets its way back (Valkey 8.1 and newer do it by
// themselves), and the FORGETs follow at once because members that miss an
// answer to their packets meet it again after a node timeout.
func (w *work) forget(ctx context.Context, steps []plan.Step) error {
	if err := w.linger(ctx, steps); err != nil { // before the proofs, which must be fresh
		return err
	}
	leaving := map[string]bool{}
	for _, s := range steps {
		leaving[s.Node] = true
	}
	others, err := w.everybody(ctx, leaving)
	if err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	if err := w.borrow(ctx); err != nil {
		return err
	}
	var leavers []leaver
	var errs []error
	for _, s := range steps {
		l, err := w.leaver(ctx, s, others)
		if err != nil {
			errs = append(errs, fmt.Errorf("forget %s: %w", s.Node, err))
			continue
		}
		leavers = append(leavers, l)
	}
	leavers, err = w.blank(ctx, leavers)
	errs = append(errs, err)
	if err := w.forgetEverywhere(ctx, leavers, others); err != nil {
		return errors.Join(append(errs, err)...)
	}
	errs = append(errs, eachErr(leavers, func(l leaver) error { return w.freshen(ctx, l) }))
	for _, l := range leavers {
		w.done(l.step, farewell(l))
	}
	return errors.Join(errs...)
}

func farewell(l leaver) string {
	if l.look == nil {
		return l.step.Node + " did not answer and was not reset: if it runs again, reset it before it is used"
	}
	return ""
}

// leaver proves that a node may leave.
func (w *work) leaver(ctx context.Context, s plan.Step, others []*look) (leaver, error) {
	n, err := w.node(s.Node)
	if err != nil {
		return leaver{}, err
	}
	if n.Health == cluster.Silent || n.Health == cluster.Failed || n.Health == cluster.Absent {
		if n.ID == "" {
			return leaver{}, errors.New("nobody knows its ID")
		}
		return leaver{step: s, id: n.ID}, w.gone(ctx, n, others)
	}
	l, err := w.look(ctx, n)
	if err != nil {
		return leaver{}, err
	}
	return leaver{step: s, id: l.self.ID, look: l}, w.mayGo(ctx, l, others)
}

// blank resets the nodes that answer; SOFT keeps the ID by which the others
// know it. A master with keys is refused by the server, too. Nodes that could
// not be reset stay in the cluster. What was switched on them is put back
// first: once they have left, no later run asks them.
func (w *work) blank(ctx context.Context, leavers []leaver) ([]leaver, error) {
	errs := make([]error, len(leavers))
	each(leavers, func(i int, l leaver) {
		if l.look == nil {
			return
		}
		if err := w.giveBack(ctx, w.seen.Node(l.step.Node)); err != nil {
			errs[i] = fmt.Errorf("put replica migration back at %s: %w", l.step.Node, err)
			return
		}
		if l.look.alone() && l.look.self.Flags.Master {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, patience.empty)
		defer cancel()
		if _, err := w.conn(l.look.addr).Do(ctx, "CLUSTER", "RESET", "SOFT"); err != nil {
			errs[i] = fmt.Errorf("reset %s: %w", l.step.Node, err)
			return
		}
		w.blankDisk(ctx, l)
	})
	var done []leaver
	for i, l := range leavers {
		if errs[i] == nil {
			done = append(done, l)
		}
	}
	return done, errors.Join(errs...)
}

// blankDisk makes a node's files as empty as its memory. RESET drops a replica's
// data set from memory only (clusterReset, emptyData): with its old append-only
// file or dump the node would wake up after a restart with all its keys, and
// claim their slots (verifyClusterConfigWithData). FLUSHALL goes into the
// append-only file also when there is nothing to flush, and SAVE replaces the
// dump that a full sync left; they are sent only to a node that proves empty
// and alone. Where it fails the node is
// blank until its next restart, and held as not empty if it is used again then.
func (w *work) blankDisk(ctx context.Context, l leaver) {
	now, err := w.look(ctx, &cluster.Node{Name: l.step.Node, Addr: l.look.addr, ID: l.id})
	if err == nil && now.alone() && now.self.Flags.Master && now.empty() == nil {
		_, _ = w.command(ctx, now.addr, "FLUSHALL", "SYNC")
		_, _ = w.command(ctx, now.addr, "SAVE")
	}
}

// forgetEverywhere sends the FORGETs to every member at once and looks whether
// they held. The ban lasts 60 s and gossip runs every second, so a member that
// was missed shows within the ban; it is told again.
func (w *work) forgetEverywhere(ctx context.Context, leavers []leaver, others []*look) error {
	if len(leavers) == 0 {
		return nil
	}
	return until(ctx, patience.agree, func(ctx context.Context) error {
		if err := eachErr(others, func(o *look) error { return w.forgetAt(ctx, o, leavers) }); err != nil {
			return err
		}
		return eachErr(w.nodesOf(others), func(n *cluster.Node) error {
			l, err := w.look(ctx, n)
			if err != nil {
				return err
			}
			for _, gone := range leavers {
				if l.lines[gone.id] != nil {
					return fmt.Errorf("forget %s: %s still knows it", gone.step.Node, n.Name)
				}
			}
			return nil
		})
	})
}

func (w *work) forgetAt(ctx context.Context, o *look, leavers []leaver) error {
	ctx, cancel := context.WithTimeout(ctx, patience.command)
	defer cancel()
	cmds := make([][]any, len(leavers))
	for i, l := range leavers {
		cmds[i] = []any{"CLUSTER", "FORGET", l.id}
	}
	for i, reply := range w.conn(o.addr).Pipe(ctx, cmds) {
		if reply.Err != nil && !strings.Contains(reply.Err.Error(), "Unknown node") {
			return fmt.Errorf("forget %s at %s: %w", leavers[i].step.Node, o.name, reply.Err)
		}
	}
	return nil
}

// freshen gives a node that has left a new ID, when it proves blank: no ban
// stands in its way when it is used again, and nothing takes it for the old one.
func (w *work) freshen(ctx context.Context, l leaver) error {
	if l.look == nil {
		return nil
	}
	now, err := w.look(ctx, &cluster.Node{Name: l.step.Node, Addr: l.look.addr, ID: l.id})
	if err != nil || !now.alone() || now.empty() != nil {
		return nil //nolint:nilerr // it has left; a second look at it is a courtesy
	}
	if _, err := w.command(ctx, now.addr, "CLUSTER", "RESET", "HARD"); err != nil {
		return fmt.Errorf("reset %s: %w", l.step.Node, err)
	}
	return nil
}

// reset makes listed nodes blank. It is the same deed: what stays listed is met
// again in a later stage.
func (w *work) reset(ctx context.Context, steps []plan.Step) error { return w.forget(ctx, steps) }
