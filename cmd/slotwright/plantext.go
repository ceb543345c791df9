package main

import (
	"fmt"
	"io"

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
	for i, s := range steps {
		if s.Stage != stage {
			stage = s.Stage
			fmt.Fprintf(w, "\n  Stage %d\n", stage)
		}
		mark := sign(s.Kind)
		fmt.Fprintf(w, "  %4d. %s %s\n", i+1, p.as(colourOf(mark), mark), clean(deed(s)))
		if s.Reason != "" {
			fmt.Fprintf(w, "          %s\n", clean(s.Reason))
		}
		if s.Bare {
			fmt.Fprintf(w, "          shard %s has no synced replica while this runs\n", s.Shard)
		}
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
