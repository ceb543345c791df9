package main

import (
	"fmt"
	"io"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// show is how an apply is shown while it runs.
type show interface {
	plans([]surveyed)        // before anything is asked or done
	event(reconcile.Event)   // of the running cluster
	over()                   // the running cluster has ended
	result(reconcile.Result) // of one cluster
	exit(exit)               // of the whole run
}

func (a *applying) showing() show {
	switch {
	case a.format == "json":
		return &eventShow{out: a.out}
	case a.draws:
		return &barShow{textShow: textShow{tool: a.tool}}
	}
	return &lineShow{textShow: textShow{tool: a.tool}}
}

// textShow is what people read before and after a run.
type textShow struct{ *tool }

func (t textShow) plans(all []surveyed) { _ = t.plansText(all) }
func (textShow) exit(exit)              {}

func (t textShow) result(r reconcile.Result) {
	fmt.Fprintln(t.out)
	resultText(t.out, t.paint(), r)
}

// resultText says how one cluster ended: what was done, what came short, what
// was not begun, what holds.
func resultText(w io.Writer, p paint, r reconcile.Result) {
	fmt.Fprintf(w, "%s: %s\n", p.as(bold, r.Cluster), verdict(r))
	if r.Err != nil {
		fmt.Fprintf(w, "  %s %s\n", p.as(red, "! Error:"), clean(r.Err.Error()))
	}
	if r.Err != nil || len(r.Failed) > 0 {
		listText(w, "done", r.Done)
		listText(w, "failed or cut off", r.Failed)
		listText(w, "not started", r.NotStarted())
	}
	holdsText(w, p, r.Plan.Holds)
	if r.Err != nil && r.Observed {
		fmt.Fprintln(w, "  It is safe to run again: it goes on from where the cluster is.")
	}
}

// verdict is the end of a run in one sentence.
func verdict(r reconcile.Result) string {
	switch {
	case r.Err != nil:
		return fmt.Sprintf("not finished, %s done.", count(len(r.Done), "step"))
	case len(r.Plan.Holds) > 0:
		return fmt.Sprintf("%s done, %s.", count(len(r.Done), "step"), does(len(r.Plan.Holds), "thing", "hold"))
	case len(r.Done) == 0:
		return "no changes, the cluster is as its topology wants it."
	}
	return fmt.Sprintf("%s done, the cluster is as its topology wants it.", count(len(r.Done), "step"))
}

func listText(w io.Writer, title string, steps []plan.Step) {
	if len(steps) == 0 {
		return
	}
	fmt.Fprintf(w, "  %s:\n", title)
	for _, s := range steps {
		fmt.Fprintf(w, "    %s\n", clean(deed(s)))
	}
}
