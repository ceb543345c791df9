package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// A pass that finds all as it was is no news, unless it had to wait for that.
func TestThatAWaitIsOverIsLoggedOnce(t *testing.T) {
	var out strings.Builder
	l := &runLog{log: slog.New(slog.NewTextHandler(&out, nil)), board: &follow.Board{}}
	well := reconcile.Result{Cluster: "orders", Observed: true}
	holds := plan.Plan{Holds: []plan.Hold{{Why: plan.Wait, Code: plan.ViewsDisagree, Text: "they disagree"}}}
	waits := reconcile.Event{Cluster: "orders", What: reconcile.Waiting, Plan: holds}
	held := well
	held.Plan = holds
	for i, pass := range []struct {
		wait bool
		got  reconcile.Result
		news int
	}{{false, well, 1}, {false, well, 0}, {true, well, 1}, {false, well, 0}, {true, held, 1}, {true, held, 0}, {true, well, 1}, {false, well, 0}} {
		if pass.wait {
			l.event(waits)
		}
		said := out.Len()
		l.result(pass.got)
		if got := strings.Count(out.String()[said:], "pass ended"); got != pass.news {
			t.Errorf("pass %d: %d lines, want %d:\n%s", i, got, pass.news, out.String())
		}
	}
}
