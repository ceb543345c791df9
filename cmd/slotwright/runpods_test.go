package main

import (
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

func TestAHoldIsToldOnceAndAgainWhenItStandsForAnotherReason(t *testing.T) {
	p := newPodEvents(nil)
	p.connecting(spec.Topology{Name: "orders", Platform: spec.Platform{Kubernetes: &spec.Kubernetes{}}})
	waits := func(texts ...string) (told string) {
		var holds []plan.Hold
		for _, text := range texts {
			holds = append(holds, plan.Hold{Why: plan.Wait, Code: plan.NodeSilent, Node: "orders-a-0", Text: text, Lift: "wait"})
		}
		p.event(reconcile.Event{Cluster: "orders", What: reconcile.Waiting, Plan: plan.Plan{Holds: holds}})
		for len(p.todo) > 0 {
			told += (<-p.todo).note.Text
		}
		return told
	}
	older := func() {
		for key, told := range p.holds["orders"] {
			told.at = told.at.Add(-sayAgain)
			p.holds["orders"][key] = told
		}
	}
	for i, c := range []struct {
		later bool // than sayAgain after what was told last
		holds []string
		want  string
	}{
		{false, []string{"timed out"}, "timed out"},
		{true, []string{"timed out"}, ""},
		{true, []string{"exceeded quota"}, "exceeded quota"},
		{false, []string{"timed out"}, ""},
		{false, nil, ""},
		{false, []string{"timed out"}, "timed out"},
	} {
		if c.later {
			older()
		}
		if got := waits(c.holds...); c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%d: told %q, want %q", i, got, c.want)
		}
	}
}
