package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// approval is what may run on one cluster, or the hold that says why nothing
// may.
func (a *applying) approval(s surveyed) (reconcile.Approval, *plan.Hold) {
	now := s.result.Plan
	switch {
	case len(now.Steps) == 0 && (a.saved != nil || len(a.expect) > 0):
		return reconcile.Nothing(), nil
	case a.saved != nil:
		was, ok := a.saved[s.want.Name]
		if !ok || was.Fingerprint != now.Fingerprint() || !now.Continues(was.Plan()) {
			return reconcile.Nothing(), stale(now, fmt.Sprintf("the plan file was made for %s", was.Fingerprint)+differs(was.Plan(), now))
		}
		if others := was.Renewed(s.result); len(others) > 0 {
			return reconcile.Nothing(), stale(now, "the plan file was made before "+reconcile.Listed(others)+" joined")
		}
		return reconcile.Exactly(was.Plan()), nil
	case len(a.expect) > 0:
		if !slices.Contains(a.expect, now.Fingerprint()) {
			return reconcile.Nothing(), stale(now, "--expect-plan names "+strings.Join(a.expect, ", "))
		}
		return reconcile.Exactly(now), nil
	case a.auto:
		return reconcile.Anything(), nil
	}
	return reconcile.Exactly(now), nil
}

func stale(now plan.Plan, approved string) *plan.Hold {
	return &plan.Hold{
		Why:  plan.Ask,
		Code: plan.StaleApproval,
		Text: fmt.Sprintf("the plan is now %s, but %s", now.Fingerprint(), approved),
		Lift: "review the plan as it is now and approve that one",
	}
}

// differs names the steps that only one of two plans has.
func differs(was, now plan.Plan) string {
	text := ""
	if fresh := missing(now.Steps, was.Steps); len(fresh) > 0 {
		text += "; new: " + reconcile.Listed(fresh)
	}
	if gone := missing(was.Steps, now.Steps); len(gone) > 0 {
		text += "; no longer planned: " + reconcile.Listed(gone)
	}
	return text
}

// missing are the steps of a, by what they do, that b has not.
func missing(a, b []plan.Step) []string {
	var out []string
	for _, s := range a {
		if !slices.ContainsFunc(b, func(o plan.Step) bool { return deed(o) == deed(s) }) {
			out = append(out, deed(s))
		}
	}
	return out
}
