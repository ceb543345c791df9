package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

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
