package live

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// probe asks one server for nothing, again and again, over a connection of its
// own, and remembers how long the answers took: what a client waits there.
type probe struct {
	conn  Conn
	every atomic.Int64 // how often it asks, in ns
	end   context.CancelFunc
	done  chan struct{}

	mu    sync.Mutex
	waits [24]time.Duration // the latest, round and round
	n     int
}

// seldom is how often a server is probed while that is for people to read only.
const seldom = 50 * time.Millisecond

func newProbe(conn Conn) *probe {
	ctx, end := context.WithCancel(context.Background())
	p := &probe{conn: conn, end: end, done: make(chan struct{})}
	p.every.Store(int64(seldom))
	go p.run(ctx)
	return p
}

// hasten has it ask twice in the time that clients may wait, so that a burst as long
// as that is met, and no more often than every 4 ms: on a busy machine the probes of
// four masters took a fifth of slotwright's processor time at that.
func (p *probe) hasten(budget time.Duration) {
	p.every.Store(int64(min(max(budget/2, 4*time.Millisecond), 10*time.Millisecond)))
}

func (p *probe) run(ctx context.Context) {
	defer close(p.done)
	for pause(ctx, time.Duration(p.every.Load())) == nil {
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
