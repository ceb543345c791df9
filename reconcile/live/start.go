package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// furnish lets the platform keep what belongs around the nodes.
func (w *work) furnish(ctx context.Context, steps []plan.Step) error {
	f, ok := w.platform.(Furnisher)
	if !ok {
		return errors.New("furnish: the platform keeps nothing but nodes")
	}
	if err := f.Furnish(ctx); err != nil {
		return fmt.Errorf("furnish: %w", err)
	}
	for _, s := range steps {
		w.done(s, "")
	}
	return nil
}

// start lets the platform make nodes and waits until they answer.
func (w *work) start(ctx context.Context, steps []plan.Step) error {
	if err := w.platform.Start(ctx, names(steps)); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return eachErr(steps, func(s plan.Step) error {
		if err := w.serves(ctx, s); err != nil {
			return fmt.Errorf("start %s: %w", s.Node, err)
		}
		w.done(s, "")
		return nil
	})
}

func names(steps []plan.Step) []string {
	out := make([]string, len(steps))
	for i, s := range steps {
		out[i] = s.Node
	}
	return out
}

// serves waits until a node answers with its data loaded. Loading may outlast
// the patience; that is no error, the next pass sees it.
func (w *work) serves(ctx context.Context, s plan.Step) error {
	busy := false
	err := until(ctx, patience.serve, func(ctx context.Context) error {
		place, err := w.place(ctx, s.Node)
		if err != nil {
			return err
		}
		view := w.ask(ctx, place, watched)
		if busy = view.Loading; busy {
			w.waiting(s, s.Node+" is loading its data")
			return errors.New("it is loading its data")
		}
		if view.Trouble != "" {
			return errors.New(view.Trouble)
		}
		return nil
	})
	if busy && ctx.Err() == nil {
		return nil
	}
	return err
}

// place is where the platform has put a node by now.
func (w *work) place(ctx context.Context, name string) (cluster.Place, error) {
	places, err := w.platform.Places(ctx)
	if err != nil {
		return cluster.Place{}, err
	}
	why := ""
	for _, p := range places {
		switch {
		case p.Name == name && p.Exists && p.Addr != "":
			return p, nil
		case p.Name == name:
			why = p.Trouble
		}
	}
	return cluster.Place{}, errors.New(cmp.Or(why, "it has no address yet"))
}

// stop ends nodes that have left the cluster; their data is kept.
func (w *work) stop(ctx context.Context, steps []plan.Step) error {
	return w.end(ctx, steps, "stop", w.platform.Stop)
}

// destroy ends nodes for good with their data. That is done only for a cluster
// whose deletion is permitted by name.
func (w *work) destroy(ctx context.Context, steps []plan.Step) error {
	if w.want.State != spec.Absent || w.want.Allow.Delete != w.want.Name {
		return fmt.Errorf("destroy %v: the topology does not permit it", names(steps))
	}
	if err := w.platform.Destroy(ctx, names(steps)); err != nil {
		return fmt.Errorf("destroy %v: %w", names(steps), err)
	}
	for _, s := range steps {
		w.done(s, "")
	}
	return nil
}

func (w *work) end(ctx context.Context, steps []plan.Step, verb string, end func(context.Context, []string) error) error {
	var gone []plan.Step
	var errs []error
	for _, s := range steps {
		if err := w.outside(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", verb, s.Node, err))
			continue
		}
		gone = append(gone, s)
	}
	if len(gone) > 0 {
		if err := end(ctx, names(gone)); err != nil {
			return errors.Join(append(errs, fmt.Errorf("%s %v: %w", verb, names(gone), err))...)
		}
	}
	for _, s := range gone {
		w.done(s, "")
	}
	return errors.Join(errs...)
}

// outside is nil when no member knows the node any more, and the node itself,
// where it answers, holds nothing that would be out of reach.
func (w *work) outside(ctx context.Context, s plan.Step) error {
	n, err := w.node(s.Node)
	if err != nil {
		return err
	}
	id := n.ID
	if n.Health == cluster.Up {
		l, err := w.look(ctx, n)
		if err != nil {
			return err
		}
		if err := l.empty(); err != nil {
			return err
		}
		id = l.self.ID
	}
	others, err := w.everybody(ctx, map[string]bool{s.Node: true})
	if err != nil {
		return err
	}
	for _, o := range others {
		if id != "" && o.lines[id] != nil {
			return fmt.Errorf("%s still knows it as a member", o.name)
		}
	}
	return nil
}

// restart ends nodes and starts them again, one after the other, each only when
// no client would lose it: a replica, or a master without slots.
func (w *work) restart(ctx context.Context, steps []plan.Step) error {
	for _, s := range steps {
		if err := w.restartOne(ctx, s); err != nil {
			return fmt.Errorf("restart %s: %w", s.Node, err)
		}
	}
	return nil
}

// restartOne never restarts a master with slots: without persistence it would
// come back empty before anybody notices, and its replicas would drop their
// data with it.
func (w *work) restartOne(ctx context.Context, s plan.Step) error {
	before, err := w.lookByName(ctx, s.Node)
	if err != nil {
		return err
	}
	if before.self.Flags.Master && len(before.self.Ranges) > 0 {
		return errors.New("it is a master with slots: promote a replica first")
	}
	var bad cluster.BadConfig
	if err := w.platform.Restart(ctx, s.Node); errors.As(err, &bad) {
		return plan.Held{Hold: plan.Hold{
			Why: plan.Stuck, Code: plan.BadConfig, Node: s.Node,
			Text: fmt.Sprintf("%s does not start with its new configuration, and runs with the old one: %s", s.Node, clip(bad.Words)),
			Lift: "correct spec.config, or " + bad.Retry + " to have the same tried again",
		}}
	} else if err != nil {
		return err
	}
	if err := w.serves(ctx, s); err != nil {
		return err
	}
	if err := w.readdress(ctx, s.Node); err != nil {
		return err
	}
	master := w.seen.ByID(before.self.Master)
	if master == nil {
		w.done(s, "")
		return nil
	}
	l, err := w.look(ctx, master)
	if err != nil {
		return err
	}
	return w.synced(ctx, s, l) // says that it is done, too
}

// readdress takes in where a node stands after it was made anew: a pod never
// has the address of the one before it.
func (w *work) readdress(ctx context.Context, name string) error {
	place, err := w.place(ctx, name)
	if err != nil {
		return err
	}
	n, err := w.node(name)
	if err == nil {
		n.Addr = place.Addr
	}
	return err
}
