package main

import (
	"testing"

	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// One slot may hold as many keys as all others together: how far its way is,
// and how long it will take, only the keys tell.
func TestHowFarAStepIs(t *testing.T) {
	var one, two slot.Set
	one.Add(7)
	two.AddRange(7, 8)
	for name, c := range map[string]struct {
		progress plan.Progress
		behind   int64
		says     string
	}{
		"slots count": {
			plan.Progress{Step: plan.Step{Kind: plan.Move, Slots: two}, Done: 1, Total: 2, Keys: 5}, grain, "1 of 2 slots, 5 keys",
		},
		"keys count where they are known": {
			plan.Progress{Step: plan.Step{Kind: plan.Close, Slots: one}, Total: 1, Keys: 250, KeysTotal: 1000}, grain / 4, "250 of about 1k keys",
		},
		"more keys than there were end nothing": {
			plan.Progress{Step: plan.Step{Kind: plan.Close, Slots: one}, Total: 1, Keys: 1200, KeysTotal: 1000}, grain - 1, "1.2k of about 1k keys",
		},
		"the slot ends it": {
			plan.Progress{Step: plan.Step{Kind: plan.Close, Slots: one}, Done: 1, Total: 1, Keys: 900, KeysTotal: 1000}, grain, "900 of about 1k keys",
		},
		"of several slots both count": {
			plan.Progress{Step: plan.Step{Kind: plan.Close, Slots: two}, Done: 1, Total: 2, Keys: 100, KeysTotal: 1000}, grain, "1 of 2 slots, 100 of about 1k keys",
		},
	} {
		if got := behind(c.progress); got != c.behind {
			t.Errorf("%s: %d of %d behind it, want %d", name, got, weight(c.progress.Step), c.behind)
		}
		if got := far(c.progress, 0); got != c.says {
			t.Errorf("%s: says %q, want %q", name, got, c.says)
		}
	}
}
