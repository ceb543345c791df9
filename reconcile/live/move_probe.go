package live

import (
	"context"
	"slices"
	"sync"
	"time"
)

// probe asks one server for nothing, again and again, over a connection of its
// own, and remembers how long the answers took: what a client waits there.
type probe struct {
	conn  Conn
	every time.Duration // how often it asks
	end   context.CancelFunc
	done  chan struct{}

	mu    sync.Mutex
	waits [24]time.Duration // the latest, round and round
	n     int
}

// newProbe asks twice in the time that clients may wait, so that a burst as long as
// that is met, and no more often than every 4 ms: on a busy machine the probes of
// four masters took a fifth of slotwright's processor time at that.
func newProbe(conn Conn, budget time.Duration) *probe {
	ctx, end := context.WithCancel(context.Background())
	every := min(max(budget/2, 4*time.Millisecond), 10*time.Millisecond)
	p := &probe{conn: conn, every: every, end: end, done: make(chan struct{})}
	go p.run(ctx)
	return p
}

func (p *probe) run(ctx context.Context) {
	defer close(p.done)
	for pause(ctx, p.every) == nil {
		sent := time.Now()
		once, cancel := context.WithTimeout(ctx, slack)
		_, err := p.conn.Do(once, "PING")
		cancel()
		if err == nil || ctx.Err() == nil { // a refusal is an answer too, and silence a long wait
			p.note(time.Since(sent))
		}
	}
}

func (p *probe) note(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits[p.n%len(p.waits)] = took
	p.n++
}

// high is what nearly all answers took at most lately: the second longest wait
// of 24. It is 0 before there was any.
func (p *probe) high() time.Duration {
	p.mu.Lock()
	waits := slices.Clone(p.waits[:min(p.n, len(p.waits))])
	p.mu.Unlock()
	if len(waits) == 0 {
		return 0
	}
	slices.Sort(waits)
	return waits[max(0, len(waits)-2)]
}

func (p *probe) stop() {
	p.end()
	<-p.done
	_ = p.conn.Close()
}
