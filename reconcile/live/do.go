package live

import (
	"context"
	"errors"
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// work is one stage on its way.
type work struct {
	*Cluster
	seen   cluster.State
	report func(plan.Progress)
}

// deeds are the kinds in the order in which a mixed stage is worked off. Each
// deed gets all steps of its kind at once, checks each again on the live nodes
// right before it acts, and returns when the effect is seen.
var deeds = []struct {
	kind plan.Kind
	do   func(*work, context.Context, []plan.Step) error
}{
	{plan.Close, (*work).closeSlots},
	{plan.Furnish, (*work).furnish},
	{plan.Start, (*work).start},
	{plan.Meet, (*work).meet},
	{plan.Assign, (*work).assign},
	{plan.Follow, (*work).follow},
	{plan.Move, (*work).move},
	{plan.Promote, (*work).promote},
	{plan.Forget, (*work).forget},
	{plan.Reset, (*work).reset},
	{plan.Stop, (*work).stop},
	{plan.Destroy, (*work).destroy},
	{plan.Configure, (*work).configure},
	{plan.Restart, (*work).restart},
}

// Do carries out one stage planned at seen. The failure of one step does not
// keep the others of the stage from running; all failures are in the error. A
// step that is done already is no failure. A lock that another run took over
// ends the stage, and is the only error then.
func (c *Cluster) Do(ctx context.Context, seen cluster.State, stage []plan.Step, report func(plan.Progress)) error {
	if err := c.stillHeld(ctx); err != nil {
		return err
	}
	_ = c.Remember(seen) // only a help, see roster
	if err := c.keepServed(ctx, seen); err != nil {
		return err
	}
	if report == nil {
		report = func(plan.Progress) {}
	}
	w := &work{Cluster: c, seen: seen, report: report}
	ctx, stop := c.whileHeld(ctx)
	defer stop()
	var errs []error
	for _, deed := range deeds {
		steps := of(stage, deed.kind)
		if len(steps) == 0 || ctx.Err() != nil {
			continue
		}
		errs = append(errs, deed.do(w, ctx, steps))
	}
	err := errors.Join(append(errs, ctx.Err())...)
	c.minds(err)
	if lost := c.lost(); lost != nil {
		return lost
	}
	return err
}

func of(stage []plan.Step, kind plan.Kind) []plan.Step {
	var steps []plan.Step
	for _, s := range stage {
		if s.Kind == kind {
			steps = append(steps, s)
		}
	}
	return steps
}

// done reports that a step of one part is through.
func (w *work) done(step plan.Step, text string) {
	w.report(plan.Progress{Step: step, Done: 1, Total: 1, Text: text})
}

// waiting reports why a step of one part takes its time.
func (w *work) waiting(step plan.Step, text string) {
	w.report(plan.Progress{Step: step, Total: 1, Text: text})
}

// node is the node that a step names.
func (w *work) node(name string) (*cluster.Node, error) {
	n := w.seen.Node(name)
	if n == nil {
		return nil, fmt.Errorf("%s was not seen", name)
	}
	return n, nil
}

// members are the nodes that must hear of every change: those that were up.
func (w *work) members() []*cluster.Node {
	var out []*cluster.Node
	for i := range w.seen.Nodes {
		if n := &w.seen.Nodes[i]; n.Member && n.Health == cluster.Up {
			out = append(out, n)
		}
	}
	return out
}

func (w *work) mover() *mover {
	return &mover{dial: w.dial, seen: w.seen, login: w.login, budget: w.want.Migration.MaxLatency, report: w.report}
}

// move lends the members' replica migration before slots move: a master whose
// last slot leaves would turn itself into a replica of the receiver, drop its
// data and break the zones (clusterUpdateSlotsConfigWith).
func (w *work) move(ctx context.Context, steps []plan.Step) error {
	if err := w.borrow(ctx); err != nil {
		return err
	}
	defer w.noteEmptied(steps)
	err := w.mover().move(ctx, steps)
	// It may have met keys astray; one that was cut off has left marks, and
	// whoever waits for its end need not wait until all keys are counted.
	if err != nil && ctx.Err() == nil {
		w.counted = ""
	}
	return err
}

func (w *work) closeSlots(ctx context.Context, steps []plan.Step) error {
	if err := w.borrow(ctx); err != nil {
		return err
	}
	var errs []error
	for _, s := range steps {
		if err := w.mover().close(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("close slots %v: %w", s.Slots, err))
		}
	}
	return errors.Join(errs...)
}
