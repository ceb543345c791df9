package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// When a daemon is told to stop, every command on its way says so, and nobody
// needs to read that.
func TestWhatIsLoggedOfAStageThatCameShort(t *testing.T) {
	stopped := fmt.Errorf("move n0 to n3: %w", context.Canceled)
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.Join(stopped, context.Canceled), ""},
		{errors.Join(stopped, errors.New("n1 refuses"), errors.New("n2 refuses")), "n1 refuses; n2 refuses"},
	} {
		if got := apart(c.err); got != c.want {
			t.Errorf("%v: logged %q, want %q", c.err, got, c.want)
		}
	}
}

func TestAClosedSlotThatGoesNowhereIsBackAtItsOwner(t *testing.T) {
	var slots slot.Set
	slots.Add(7)
	if got := deed(plan.Step{Kind: plan.Close, From: "n7", To: "n7", Slots: slots, Keys: unknown}); got != "Close 7 (1 slot) back at n7" {
		t.Errorf("it is called %q", got)
	}
}

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
