package live

import (
	"sync"
	"time"
)

const (
	big     = 4e6                    // a burst of this weight tells how long a big key takes
	perKey  = 1000                   // bytes whose moving costs a server as much as one more key does
	adjusts = 125 * time.Millisecond // how often the length of bursts is chosen anew
)

// pace decides how much one source may send in one go.
//
// A server carries out all commands that one read brought it before it turns
// to another client, and MIGRATE keeps source and target busy while it runs.
// So the length of a burst is what clients wait, and the only knob there is.
// It grows by a little while they wait less than the budget and shrinks by a
// share when they wait more, as TCP does, and for the same reason: several
// sources that share a target, or a machine, settle on fair parts.
type pace struct {
	mu     sync.Mutex
	budget time.Duration
	length time.Duration // of a burst, as wished
	cost   float64       // seconds a weight of one takes lately
	bulk   float64       // seconds a byte of a big key takes, as last measured
	chosen time.Time
}

func newPace(budget time.Duration) *pace {
	return &pace{budget: budget, length: budget / 4, cost: 50e-6 / perKey, bulk: 1 / 50e6}
}

// weight is what a key of so many bytes costs, in bytes.
func weight(bytes int64) float64 { return float64(bytes + perKey) }

// room is the weight the next burst may have.
func (p *pace) room() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.length.Seconds() / p.cost
}

// window is how long a burst may take, as last chosen; 0 before the first one.
func (p *pace) window() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.chosen.IsZero() {
		return 0
	}
	return p.length
}

// takes is how long one key of so many bytes keeps the source busy.
func (p *pace) takes(bytes int64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(float64(bytes) * p.bulk * float64(time.Second))
}

// learn takes in how long a burst took, and what clients of both its ends wait.
func (p *pace) learn(w float64, took, waits time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if each := took.Seconds() / w; w > big {
		p.bulk = each
	} else {
		p.cost = 0.8*p.cost + 0.2*each
	}
	if time.Since(p.chosen) < adjusts {
		return
	}
	p.chosen = time.Now()
	switch {
	case waits > p.budget*8/10:
		p.length = p.length * 7 / 10
	case waits < p.budget*6/10:
		p.length += p.budget / 20
	}
	// A tenth of the budget is not what clients that wait longer than all of it
	// wait for: going below would slow the move down and help nobody.
	p.length = min(max(p.length, p.budget/10), p.budget/2)
}
