package reconcile

import (
	"fmt"
	"strings"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// Approval says which plans may run. The zero value approves none: a run with
// it only looks.
type Approval struct {
	anything bool
	plan     *plan.Plan
	asks     bool   // approves by a fingerprint, if there is one
	print    string // of what is approved
}

// Nothing approves no plan.
func Nothing() Approval { return Approval{} }

// Anything approves every plan, also those made anew after the world changed in
// mid-run. What needs a person's permission is a hold all the same.
func Anything() Approval { return Approval{anything: true} }

// Exactly approves p and whatever is left of it, and nothing else.
func Exactly(p plan.Plan) Approval { return Approval{plan: &p} }

// Printed approves a plan by its fingerprint, and whatever is left of it. The
// fingerprint covers the goal, so the same goal stays approved in later runs,
// from wherever it is to be reached. With "" it approves no plan; either way a
// run says what it would need.
func Printed(fingerprint string) Approval { return Approval{asks: true, print: fingerprint} }

// looks reports whether a run with this approval only looks.
func (a Approval) looks() bool { return !a.anything && !a.asks && a.plan == nil }

// refuse says why p may not run, or nil. begun is the plan that was approved
// before in this run, if one was.
func (a Approval) refuse(p plan.Plan, begun *plan.Plan) *plan.Hold {
	switch {
	case a.anything, a.plan != nil && p.Continues(*a.plan):
		return nil
	case a.asks:
		return a.unprinted(p, begun)
	}
	return &plan.Hold{
		Why:  plan.Ask,
		Code: plan.StaleApproval,
		Text: "the cluster or its topology changed since the plan was approved" + a.differs(p),
		Lift: "review the new plan and approve it",
	}
}

// unprinted says why a plan is not the one with the approved fingerprint, or
// nil. What puts back, and changes nothing else, needs no approval.
func (a Approval) unprinted(p plan.Plan, begun *plan.Plan) *plan.Hold {
	print := p.Fingerprint()
	if print == a.print || p.Continues(plan.Plan{}) || begun != nil && p.Continues(*begun) {
		return nil
	}
	h := plan.Hold{
		Why: plan.Ask, Code: plan.NotApproved, Text: fmt.Sprintf("plan %s is not approved", print),
		Lift: "review the plan, then set allow.plan: " + print,
	}
	if a.print != "" {
		h.Code, h.Text = plan.StaleApproval, fmt.Sprintf("the plan is now %s, but allow.plan names %s", print, a.print)
	}
	h.Text += a.differs(p)
	return &h
}

// differs names the deeds of p that nobody approved.
func (a Approval) differs(p plan.Plan) string {
	approved := map[deed]bool{}
	if a.plan != nil {
		for _, s := range a.plan.Steps {
			approved[deedOf(s)] = true
		}
	}
	var fresh []string
	for _, s := range p.Steps {
		if !approved[deedOf(s)] {
			fresh = append(fresh, deedOf(s).String())
		}
	}
	if len(fresh) == 0 {
		return ""
	}
	return "; not approved: " + Listed(fresh)
}

// Listed names the first five of all and counts the rest.
func Listed(all []string) string {
	const shown = 5
	if n := len(all); n > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:shown], ", "), n-shown)
	}
	return strings.Join(all, ", ")
}
