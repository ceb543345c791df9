package gitsync

import (
	"context"
	"math/rand/v2"
	"time"
)

// pace says when to look next: at the interval, sooner after a failure, at
// once when woken.
type pace struct {
	interval time.Duration
	wake     chan struct{} // holds at most one wish for a look
	next     time.Time     // zero: now
	last     time.Time     // when the last look ended
	failed   int           // looks in a row
}

const (
	// firstRetry is the wait after the first failure; it doubles up to the
	// interval.
	firstRetry = 5 * time.Second
	// wakeGap keeps a flood of wishes from becoming a flood of looks.
	wakeGap = time.Second
	// jitter spreads the looks of many daemons that started together.
	jitter = 0.05
)

func newPace(interval time.Duration) *pace {
	return &pace{interval: interval, wake: make(chan struct{}, 1)}
}

// Wake asks for a look now.
func (p *pace) Wake() {
	select {
	case p.wake <- struct{}{}:
	default: // one is already waiting, and one look serves all
	}
}

// wait blocks until the next look is due.
func (p *pace) wait(ctx context.Context) error {
	due := time.NewTimer(time.Until(p.next))
	defer due.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-due.C:
	case <-p.wake:
		return sleep(ctx, time.Until(p.last.Add(wakeGap)))
	}
	return nil
}

// done notes how a look ended and sets the time of the next.
func (p *pace) done(err error) {
	p.last = time.Now()
	wait := p.interval
	if err == nil {
		p.failed = 0
	} else {
		p.failed++
		wait = min(wait, firstRetry<<min(p.failed-1, 16))
	}
	spread := 1 + jitter*(2*rand.Float64()-1)
	p.next = p.last.Add(time.Duration(float64(wait) * spread))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
