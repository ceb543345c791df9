package gitsync

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// gap is the time until the next look.
func gap(t *testing.T, p *pace) time.Duration {
	t.Helper()
	start := time.Now()
	if err := p.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return time.Since(start)
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(time.Minute)
		near := func(what string, want time.Duration) {
			t.Helper()
			slack := time.Duration(float64(want) * jitter)
			if got := gap(t, p); got < want-slack || got > want+slack {
				t.Errorf("%s: %s, want about %s", what, got, want)
			}
		}
		near("the first look", 0)
		p.done(nil)
		near("after success", time.Minute)
		broken := errors.New("broken")
		for _, want := range []time.Duration{5, 10, 20, 40, 60, 60} {
			p.done(broken)
			near("after failures", want*time.Second)
		}
		for range 1000 {
			p.done(broken)
		}
		near("after a thousand failures", time.Minute)
		p.done(nil)
		near("after recovery", time.Minute)

		p.done(nil)
		for range 1000 {
			p.Wake()
		}
		if got := gap(t, p); got > wakeGap {
			t.Errorf("woken: %s, want at most %s", got, wakeGap)
		}
		p.done(nil)
		near("a thousand calls are one look", time.Minute)
	})
}

func TestJitterSpreadsTheLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := map[time.Duration]bool{}
		for range 10 {
			p := newPace(time.Minute)
			p.done(nil)
			waits[gap(t, p)] = true
		}
		if len(waits) < 5 {
			t.Errorf("only %d different waits of 10", len(waits))
		}
	})
}
