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
}

// Nothing approves no plan.
func Nothing() Approval { return Approval{} }

// Anything approves every plan, also those made anew after the world changed in
// mid-run. What needs a person's permission is a hold all the same.
func Anything() Approval { return Approval{anything: true} }

// Exactly approves p and whatever is left of it, and nothing else.
func Exactly(p plan.Plan) Approval { return Approval{plan: &p} }

// looks reports whether a run with this approval only looks.
func (a Approval) looks() bool { return !a.anything && a.plan == nil }

// refuse says why p may not run, or nil.
func (a Approval) refuse(p plan.Plan) *plan.Hold {
	if a.anything || a.plan != nil && p.Continues(*a.plan) {
		return nil
	}
	return &plan.Hold{
		Why:  plan.Ask,
		Code: plan.StaleApproval,
		Text: "the cluster or its topology changed since the plan was approved" + a.differs(p),
		Lift: "review the new plan and approve it",
	}
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
	return "; not approved: " + few(fresh)
}

// few lists some of all by name, and the number of the rest.
func few(all []string) string {
	const shown = 5
	if n := len(all); n > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:shown], ", "), n-shown)
	}
	return strings.Join(all, ", ")
}
