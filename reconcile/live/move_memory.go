package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// memory watches what a target has left while keys arrive, and how far behind its
// replicas are. A target with a policy other than noeviction never refuses a key:
// it throws others away, so the move has to stop before it is full.
type memory struct {
	name  string
	limit int64 // of its container
	conn  Conn
	end   context.CancelFunc
	done  chan struct{}
	lag   lag

	mu   sync.Mutex
	used int64
	full error
}

// newMemory looks once before it returns and then every second until stopped.
func newMemory(ctx context.Context, n *cluster.Node, conn Conn) (*memory, error) {
	m := &memory{name: n.Name, limit: n.Memory.Limit, conn: conn, done: make(chan struct{})}
	if err := errors.Join(m.look(ctx), m.begin(ctx)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	ctx, m.end = context.WithCancel(context.WithoutCancel(ctx))
	go m.run(ctx)
	return m, nil
}

func (m *memory) run(ctx context.Context) {
	defer close(m.done)
	for pause(ctx, time.Second) == nil {
		_ = m.look(ctx) // a target that can't be asked refuses keys as well
		_ = m.follow(ctx)
	}
}

// info asks for one section of INFO.
func (m *memory) info(ctx context.Context, section string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, slack)
	defer cancel()
	v, err := m.conn.Do(ctx, "INFO", section)
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.name, err)
	}
	text, _ := v.(string)
	return text, nil
}

// look asks once, and finds the target full when another two seconds like the
// last would be too many. Where maxmemory is not the bound, it is not the server
// that stops at it but the machine, which counts all that it gives the process.
func (m *memory) look(ctx context.Context) error {
	text, err := m.info(ctx, "memory")
	if err != nil {
		return err
	}
	info, err := cluster.ParseInfo(text)
	if err != nil {
		return fmt.Errorf("%s: info memory: %w", m.name, err)
	}
	now := info.Memory
	now.Limit = m.limit
	bound, what := now.Bound()
	used := now.Used
	if bound != now.Max {
		used = max(used, now.RSS)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	grown := int64(0)
	if m.used > 0 {
		grown = max(0, used-m.used)
	}
	if m.used = used; bound > 0 && used+2*grown >= bound {
		m.full = fmt.Errorf("%s is full: it uses %d of the %d MB of %s: give it more memory, or move fewer slots to it",
			m.name, used>>20, bound>>20, what)
	}
	return nil
}

// err says that the target is full.
func (m *memory) err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.full
}

func (m *memory) stop() {
	m.end()
	<-m.done
	_ = m.conn.Close()
}
