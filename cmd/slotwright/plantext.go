package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

func (t *tool) plansText(all []surveyed) error {
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(t.out)
		}
		planText(t.out, t.paint(), s)
	}
	return nil
}

// planText prints one plan for people: what it is about, its steps by stage,
// what holds, what to know, and the sum.
func planText(w io.Writer, p paint, s surveyed) {
	fmt.Fprintf(w, "%s (%s)\n", p.as(bold, s.want.Name), place(s.want))
	r := s.result
	if r.Err != nil {
		fmt.Fprintf(w, "  %s %s\n", p.as(red, "! Error:"), clean(r.Err.Error()))
		return
	}
	if len(r.Plan.Steps) > 0 {
		fmt.Fprintf(w, "  plan %s\n", r.Plan.Fingerprint())
		stepsText(w, p, r.Plan.Steps)
	}
	if len(r.Plan.Holds) > 0 {
		fmt.Fprintln(w)
		holdsText(w, p, r.Plan.Holds)
	}
	if len(r.Plan.Notes) > 0 {
		fmt.Fprintln(w)
		for _, note := range r.Plan.Notes {
			fmt.Fprintf(w, "  note: %s\n", clean(note))
		}
	}
	fmt.Fprintf(w, "\n%s\n", footer(r))
}

// footer is the sum of a plan, and what is held apart from it.
func footer(r reconcile.Result) string {
	held := len(r.Plan.Holds)
	switch {
	case len(r.Plan.Steps) == 0 && held == 0:
		return "No changes. The cluster is as its topology wants it."
	case len(r.Plan.Steps) == 0:
		return fmt.Sprintf("No changes now. %s.", does(held, "thing", "hold"))
	case held == 0:
		return sum(r.Plan).String()
	}
	return fmt.Sprintf("%s %s.", sum(r.Plan), does(held, "thing", "hold"))
}

func stepsText(w io.Writer, p paint, steps []plan.Step) {
	stage := steps[0].Stage - 1
	for n := 0; n < len(steps); {
		group := together(steps[n:])
		if s := group[0]; s.Stage != stage {
			stage = s.Stage
			fmt.Fprintf(w, "\n  Stage %d%s\n", stage, stageLasts(steps[n:]))
		}
		groupText(w, p, n+1, group)
		n += len(group)
	}
}

// stageLasts is how long the stage that begins here takes, where its moves tell:
// they run at once, so it is not their sum.
func stageLasts(steps []plan.Step) string {
	eta := plan.ETA(plan.Plan{Steps: steps}.First())
	if eta == 0 {
		return ""
	}
	return ", about " + lasting(eta)
}

// together are the first steps that one line can tell: of one kind, in one
// stage, for one reason, and about nothing but their nodes.
func together(steps []plan.Step) []plan.Step {
	head := steps[0]
	n := 1
	switch head.Kind {
	case plan.Start, plan.Meet, plan.Forget, plan.Reset, plan.Stop, plan.Destroy:
		for n < len(steps) && steps[n].Kind == head.Kind && steps[n].Stage == head.Stage && because(steps[n]) == because(head) {
			n++
		}
	}
	return steps[:n]
}

func groupText(w io.Writer, p paint, first int, group []plan.Step) {
	head := group[0]
	number, text := fmt.Sprint(first), deed(head)
	if len(group) > 1 {
		var names []string
		for _, s := range group {
			names = append(names, s.Node)
		}
		number = fmt.Sprintf("%d-%d", first, first+len(group)-1)
		text = fmt.Sprintf("%s %s: %s", head.Kind, count(len(group), "node"), strings.Join(names, ", "))
	}
	mark := sign(head.Kind)
	fmt.Fprintf(w, "  %7s. %s %s\n", number, p.as(colourOf(mark), mark), clean(text))
	if why := because(head); why != "" {
		fmt.Fprintf(w, "             %s\n", clean(why))
	}
}

// holdsText prints what is left undone on purpose, and what lifts it.
func holdsText(w io.Writer, p paint, holds []plan.Hold) {
	for _, h := range holds {
		fmt.Fprintf(w, "  %s %s\n", p.as(red, "!"), clean(holdLine(h)))
		if h.Lift != "" {
			fmt.Fprintf(w, "      to lift it: %s\n", clean(h.Lift))
		}
	}
}

// holdLine is a hold in one line: who can lift it, its code, its node, its text.
func holdLine(h plan.Hold) string {
	subject := string(h.Code)
	if h.Node != "" {
		subject += " " + h.Node
	}
	return fmt.Sprintf("%s %s: %s", h.Why, subject, h.Text)
}
