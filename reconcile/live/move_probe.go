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
	conn Conn
	end  context.CancelFunc
	done chan struct{}

	mu    sync.Mutex
	waits [32]time.Duration // the latest, round and round
	n     int
}

// every is how often a server is probed.
const every = 4 * time.Millisecond

func newProbe(conn Conn) *probe {
	ctx, end := context.WithCancel(context.Background())
	p := &probe{conn: conn, end: end, done: make(chan struct{})}
	go p.run(ctx)
	return p
}

func (p *probe) run(ctx context.Context) {
	defer close(p.done)
	for pause(ctx, every) == nil {
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
// of 32. It is 0 before there was any.
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
