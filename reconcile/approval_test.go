package reconcile

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

func TestAPlanNobodyApprovedIsHeldWithItsFingerprint(t *testing.T) {
	other := "sha256:" + strings.Repeat("0", 64)
	for approved, code := range map[string]plan.Code{"": plan.NotApproved, other: plan.StaleApproval} {
		c := three(t, "a-2", "b-2")
		print := plan.Make(topology(4), c.now).Fingerprint()
		for name, run := range map[string]func() Result{
			"once":  func() Result { return Once(t.Context(), c, topology(4), Options{Approval: Printed(approved)}) },
			"apply": func() Result { return Apply(t.Context(), c, topology(4), Options{Approval: Printed(approved)}) },
		} {
			r := run()
			if !has(r, code) || r.Sync() != Held || len(c.did) > 0 || c.locks > 0 {
				t.Fatalf("%s with %q: holds %+v, did %s", name, approved, r.Plan.Holds, texts(c.did))
			}
			h := r.Plan.Holds[len(r.Plan.Holds)-1]
			if h.Why != plan.Ask || !strings.Contains(h.Text, print) || !strings.Contains(h.Text, approved) || !strings.Contains(h.Text, "Move from") || !strings.Contains(h.Lift, "allow.plan: "+print) {
				t.Errorf("the hold is %+v", h)
			}
		}
	}
	if c := three(t); Apply(t.Context(), c, topology(3), Options{Approval: Printed("")}).Sync() != InSync {
		t.Error("a cluster in sync wants an approval")
	}
}

// A run that is killed after any step is gone on with by the next one, under the
// same fingerprint, to the same end.
func TestAnApprovedPlanStaysApprovedWhereverARunWasKilled(t *testing.T) {
	killed := errors.New("killed")
	whole := three(t, "a-2", "b-2")
	whole.change("c-1", func(n *cluster.Node) { n.Listed, n.Before = false, true }) // a removal, too
	whole.now.Nodes = append(whole.now.Nodes, seats(t, "c-2").now.Nodes...)
	all := plan.Make(topology(4), whole.now)
	o := Options{Approval: Printed(all.Fingerprint())}
	for dies := range all.Steps {
		c := &rehearsal{now: whole.now}
		ctx, kill := context.WithCancelCause(t.Context())
		c.do = func(_ context.Context, stage []plan.Step, _ func(plan.Progress)) error {
			for _, s := range stage {
				c.perform(s)
				if len(c.did) == dies+1 {
					kill(killed)
					return killed
				}
			}
			return nil
		}
		if r := Apply(ctx, c, topology(4), o); len(c.did) != dies+1 {
			t.Fatalf("killed after %d steps, did %d: %v", dies+1, len(c.did), r.Err)
		}
		kill(nil)
		c.do = nil
		r := Apply(t.Context(), c, topology(4), o)
		if r.Err != nil || r.Sync() != InSync || len(c.did) != len(all.Steps) {
			t.Errorf("killed after %d steps, then %s, error %v, holds %+v, did\n%s", dies+1, r.Sync(), r.Err, r.Plan.Holds, texts(c.did))
		}
	}
}

// The goal is what is approved: a failover after it was reached is turned back
// without asking, and one more node that is to go is not.
func TestAnApprovalIsOfTheGoalAndOfNoOther(t *testing.T) {
	c := three(t, "a-2", "b-2")
	o := Options{Approval: Printed(plan.Make(topology(4), c.now).Fingerprint())}
	if r := Apply(t.Context(), c, topology(4), o); r.Sync() != InSync {
		t.Fatalf("ends %s, holds %+v", r.Sync(), r.Plan.Holds)
	}
	c.change("a-1", func(n *cluster.Node) { n.Slots, n.Master = c.now.Node("c-0").Slots, "" })
	c.change("c-0", func(n *cluster.Node) { n.Slots, n.Master, n.Linked = slot.Set{}, "id-a-1", true })
	if r := Apply(t.Context(), c, topology(4), o); r.Sync() != InSync || c.now.Node("c-0").Slots == (slot.Set{}) {
		t.Errorf("after a failover %s, holds %+v", r.Sync(), r.Plan.Holds)
	}
	c.change("c-1", func(n *cluster.Node) { n.Listed, n.Before = false, true })
	c.now.Nodes = append(c.now.Nodes, seats(t, "c-2").now.Nodes...)
	before := len(c.did)
	if r := Apply(t.Context(), c, topology(4), o); !has(r, plan.StaleApproval) || len(c.did) != before {
		t.Errorf("a removal nobody approved: %s, holds %+v, did %s", r.Sync(), r.Plan.Holds, texts(c.did[before:]))
	}
}

// A run may be killed when slots are nearly even, and a new plan would call
// that good enough: what was approved goes to its exact end.
func TestANearlyEvenRestIsStillTheApprovedPlan(t *testing.T) {
	c := three(t, "a-2", "b-2")
	c.change("c-1", func(n *cluster.Node) { n.Listed, n.Before = false, true })
	c.now.Nodes = append(c.now.Nodes, seats(t, "c-2").now.Nodes...)
	want := topology(4)
	approved := plan.Make(want, c.now)
	for _, s := range approved.Steps {
		if s.Stage > lastMove(approved) {
			break
		}
		if s.Kind == plan.Move {
			s.Slots.Remove(s.Slots.Ranges()[0].First) // all but one slot
		}
		c.perform(s)
	}
	if made := plan.Make(want, c.now); made.Fingerprint() == approved.Fingerprint() || len(made.Steps) == 0 {
		t.Fatalf("a new plan is no other: %s", texts(made.Steps))
	}
	r := Apply(t.Context(), c, want, Options{Approval: Printed(approved.Fingerprint())})
	if r.Err != nil || r.Sync() != InSync {
		t.Errorf("ends %s, error %v, holds %+v", r.Sync(), r.Err, r.Plan.Holds)
	}
}

// lastMove is the last stage that moves slots.
func lastMove(p plan.Plan) int {
	last := 0
	for _, s := range p.Steps {
		if s.Kind == plan.Move {
			last = s.Stage
		}
	}
	return last
}
