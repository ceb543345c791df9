package main

import (
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"

	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

func moveOf(n int) plan.Step {
	var slots slot.Set
	slots.AddRange(0, n-1)
	return plan.Step{Kind: plan.Move, From: "n0", To: "n3", Slots: slots}
}

// What people read of a move: what has moved, how fast, how long it will take,
// what clients wait and how long a burst may be for that.
func TestWhatAMoveTellsOfItsSpeed(t *testing.T) {
	move := plan.Progress{Step: moveOf(400), Done: 100, Total: 400, Keys: 30_000, Bytes: 4_100_000, Latency: 7240, Window: 5000}
	atomic := plan.Progress{Step: moveOf(400), Done: 100, Total: 400, Bytes: 4_100_000, Latency: 7240}
	for _, c := range []struct {
		progress plan.Progress
		took     time.Duration
		far, end string
	}{
		{move, 0, "100 of 400 slots, 30k keys, 4.1MB, latency 7.2ms, window 5ms", "30k keys, 4.1MB, in 0s, latency 7.2ms, window 5ms"},
		{move, 2 * time.Second, "100 of 400 slots, 30k keys, 4.1MB, 15k keys/s, 6s left, latency 7.2ms, window 5ms", "30k keys, 4.1MB, in 2s, latency 7.2ms, window 5ms"},
		{atomic, 2 * time.Second, "100 of 400 slots, 4.1MB, 50 slots/s, 6s left, latency 7.2ms", "in 2s, latency 7.2ms"},
		{plan.Progress{Step: plan.Step{Kind: plan.Meet}, Total: 1}, 2 * time.Second, "running", ""},
		{plan.Progress{Step: plan.Step{Kind: plan.Forget}, Total: 1, Text: "it was reset"}, 2 * time.Second, "it was reset", "it was reset"},
	} {
		if got := far(c.progress, c.took); got != c.far {
			t.Errorf("on its way: %q, want %q", got, c.far)
		}
		if got := ended(c.progress, c.took); got != c.end {
			t.Errorf("at its end: %q, want %q", got, c.end)
		}
	}
}

// Steps that run at once share a bar: it tells the longest wait, and the window
// of the source that is held back most.
func TestABarTellsOfAllStepsOfItsStage(t *testing.T) {
	b := &barShow{far: map[string]plan.Progress{}, bar: mpb.New(mpb.WithOutput(nil)).AddBar(200 * grain)}
	one, two := moveOf(100), moveOf(100)
	two.From = "n1"
	b.advance(plan.Progress{Step: one, Done: 1, Total: 100, Keys: 30, Bytes: 2000, Latency: 9000, Window: 2000})
	b.advance(plan.Progress{Step: two, Done: 1, Total: 100, Keys: 12, Bytes: 1000, Latency: 3000, Window: 5000})
	if got := b.moved() + b.waits("; "); got != ", 42 keys, 3kB; latency 9ms, window 2ms" {
		t.Errorf("the bar tells %q", got)
	}
}
