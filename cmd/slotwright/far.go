package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// far is how far a step has come in so much time, how fast it goes on, and what
// clients wait meanwhile.
func far(p plan.Progress, took time.Duration) string {
	var parts []string
	if p.Total > 1 {
		parts = append(parts, fmt.Sprintf("%d of %d slots", p.Done, p.Total))
	}
	parts = append(parts, moved(p)...)
	parts = append(parts, speed(p, took)...)
	parts = append(parts, waits(p)...)
	if p.Text != "" {
		parts = append(parts, p.Text)
	}
	if len(parts) == 0 {
		return "running"
	}
	return strings.Join(parts, ", ")
}

// ended is what is told of a step at its end, "" for nothing.
func ended(p plan.Progress, took time.Duration) string {
	var parts []string
	if p.Step.Kind == plan.Move || p.Step.Kind == plan.Close {
		parts = append(total(p), "in "+took.Round(100*time.Millisecond).String())
		parts = append(parts, waits(p)...)
	}
	if p.Text != "" {
		parts = append(parts, p.Text)
	}
	return strings.Join(parts, ", ")
}

// moved is what has moved. Servers that move slots by themselves tell no keys.
func moved(p plan.Progress) (parts []string) {
	switch {
	case p.KeysTotal > 0:
		parts = append(parts, fmt.Sprintf("%s of %s", about(p.Keys), aboutKeys(p.KeysTotal)))
	case p.Keys > 0:
		parts = append(parts, keys(p.Keys))
	}
	if p.Bytes > 0 {
		parts = append(parts, about(p.Bytes)+"B")
	}
	return parts
}

// total is what has moved in the end. Where servers move slots by themselves, no
// look came late enough to tell all bytes.
func total(p plan.Progress) []string {
	if p.Keys == 0 {
		return nil
	}
	return moved(p)
}

// speed is how fast a step goes on, and how long that will take.
func speed(p plan.Progress, took time.Duration) []string {
	n, unit := p.Keys, "keys"
	if n == 0 {
		n, unit = int64(p.Done), "slots"
	}
	done, all := behind(p), weight(p.Step)
	if n == 0 || done == 0 || done >= all || took < time.Second {
		return nil
	}
	left := time.Duration(float64(took) / float64(done) * float64(all-done))
	return []string{
		fmt.Sprintf("%s %s/s", about(int64(float64(n)/took.Seconds())), unit),
		left.Round(time.Second).String() + " left",
	}
}

// waits is what clients wait lately, and how long the bursts are that were
// chosen for it.
func waits(p plan.Progress) (parts []string) {
	for _, m := range []struct {
		what   string
		micros int64
	}{{"latency", p.Latency}, {"window", p.Window}} {
		if m.micros > 0 {
			parts = append(parts, m.what+" "+(time.Duration(m.micros)*time.Microsecond).Round(100*time.Microsecond).String())
		}
	}
	return parts
}
