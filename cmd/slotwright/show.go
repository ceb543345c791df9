package main

import (
	"fmt"
	"io"
	"slices"
	"time"

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
		return &eventShow{out: a.out, said: map[string]time.Time{}}
	case a.draws:
		return &barShow{textShow: textShow{tool: a.tool}}
	}
	return &lineShow{textShow: textShow{tool: a.tool}}
}

// textShow is what people read before and after a run.
type textShow struct {
	*tool
	told map[plan.Hold]bool // with the plans, before the run
}

func (t *textShow) plans(all []surveyed) {
	t.told = map[plan.Hold]bool{}
	for _, s := range all {
		for _, h := range s.result.Plan.Holds {
			t.told[h] = true
		}
	}
	_ = t.plansText(all) // a reader that went away is noticed by the prompt
}

func (*textShow) exit(exit) {}

// result tells the holds again unless nothing happened since they were told.
func (t *textShow) result(r reconcile.Result) {
	holds := r.Plan.Holds
	if len(r.Done)+len(r.Failed) == 0 {
		holds = slices.DeleteFunc(slices.Clone(holds), func(h plan.Hold) bool { return t.told[h] })
	}
	fmt.Fprintln(t.out)
	resultText(t.out, t.paint(), r, holds)
}

// resultText says how one cluster ended: what was done, what came short, what
// was not begun, what holds.
func resultText(w io.Writer, p paint, r reconcile.Result, holds []plan.Hold) {
	fmt.Fprintf(w, "%s: %s\n", p.as(bold, r.Cluster), verdict(r))
	if r.Err != nil {
		fmt.Fprintf(w, "  %s %s\n", p.as(red, "! Error:"), clean(r.Err.Error()))
	}
	if r.Err != nil || len(r.Failed) > 0 {
		listText(w, "done", r.Done)
		listText(w, "failed or cut off", r.Failed)
		listText(w, "not started", r.NotStarted())
	}
	holdsText(w, p, holds)
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
