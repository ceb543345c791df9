package reconcile

import (
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// Result is everything a run learned about one cluster: what gets printed,
// logged, counted and tested.
type Result struct {
	Cluster  string
	Seen     cluster.State // the last observation; meaningless unless Observed
	Observed bool
	Plan     plan.Plan   // what is left to do after the run, and every hold
	Done     []plan.Step // begun by this run and gone from the plan since
	Failed   []plan.Step // begun by this run, and refused or cut off
	Err      error       // why the run ended early; nil when it is done or held
}

// Sync says how a cluster stands to its topology.
type Sync string

// The answers, as plan -o json prints them.
const (
	InSync    Sync = "InSync"    // nothing to do
	OutOfSync Sync = "OutOfSync" // steps are left, and nothing holds
	Held      Sync = "Held"      // something is left undone on purpose
	Unknown   Sync = "Unknown"   // the cluster could not be observed
)

// Sync judges the plan that is left. A hold outweighs steps.
func (r Result) Sync() Sync {
	switch {
	case !r.Observed:
		return Unknown
	case len(r.Plan.Holds) > 0:
		return Held
	case len(r.Plan.Steps) > 0:
		return OutOfSync
	}
	return InSync
}

// NotStarted are the steps of the plan that the run did not begin.
func (r Result) NotStarted() []plan.Step {
	failed := map[deed]bool{}
	for _, s := range r.Failed {
		failed[deedOf(s)] = true
	}
	var out []plan.Step
	for _, s := range r.Plan.Steps {
		if !failed[deedOf(s)] {
			out = append(out, s)
		}
	}
	return out
}

// What names the kind of an event.
type What string

// The kinds of events of a run, in the order a run has them.
const (
	Planned  What = "planned"  // Plan is what is left now
	Began    What = "began"    // the steps of Stage begin
	Advanced What = "advanced" // Progress of one running step
	Ended    What = "ended"    // Stage is over; Err says why it came short, nil when it did not
	Waiting  What = "waiting"  // nothing can be done until a hold of Plan lifts
)

// Event is something that happened during a run. Events of one run are
// reported one at a time, in order.
type Event struct {
	What     What
	Cluster  string
	Plan     plan.Plan     // of Planned and Waiting
	Seen     cluster.State // of Planned: what it was planned from
	Stage    []plan.Step   // of Began and Ended
	Progress plan.Progress // of Advanced
	Err      error         // of Ended
}

// result sums the run up. What was begun and is planned no more is done, unless
// it did not end well and a hold may be all that hides it.
func (l *line) result() Result {
	if l.tired {
		l.holds = append(l.holds, l.noProgress())
	}
	r := Result{Cluster: l.want.Name, Seen: l.seen, Observed: l.observed, Plan: l.plan, Err: l.err}
	r.Plan.Cluster = l.want.Name
	r.Plan.Holds = slices.Concat(l.plan.Holds, l.holds)
	wanted := l.wanted()
	for _, d := range l.order {
		rec := l.deeds[d]
		if !wanted[d] && (rec.finished || len(l.plan.Holds) == 0) {
			r.Done = append(r.Done, rec.step)
		} else {
			r.Failed = append(r.Failed, rec.step)
		}
	}
	return r
}
