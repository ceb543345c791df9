package live

import (
	"sync"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// closed is how far a Close has come. A slot of many keys is on its way for
// long, and in that time only its keys tell that it goes on.
type closed struct {
	mu    sync.Mutex
	step  plan.Step
	keys  int64 // that have a way to go
	slots int   // closed so far
	ways  []*pair
}

// on notes that keys go a way from now on.
func (c *closed) on(w *pair) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ways = append(c.ways, w)
}

// progress needs c.mu.
func (c *closed) progress() plan.Progress {
	p := plan.Progress{Step: c.step, Done: c.slots, Total: c.step.Slots.Len(), KeysTotal: c.keys}
	for _, w := range c.ways {
		p.Keys += w.sent.Load()
		p.Bytes += w.bytes.Load()
		p.Latency = max(w.from.probe.high(), w.to.probe.high()).Microseconds()
		p.Window = w.from.pace.window().Microseconds()
	}
	return p
}

// tell reports that so many slots more are closed. That all are is told once.
func (c *closing) tell(slots int) {
	c.gone.mu.Lock()
	defer c.gone.mu.Unlock()
	if c.gone.slots == c.gone.step.Slots.Len() {
		return
	}
	c.gone.slots += slots
	c.report(c.gone.progress())
}

// tellOften reports as often as a Move does, until stop.
func (c *closing) tellOften() (stop func()) {
	tick, over := time.NewTicker(reports), make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		for {
			select {
			case <-tick.C:
				c.tell(0)
			case <-over:
				return
			}
		}
	})
	return func() { tick.Stop(); close(over); telling.Wait() }
}
