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
	name string
	conn Conn
	end  context.CancelFunc
	done chan struct{}
	lag  lag

	mu   sync.Mutex
	used int64
	full error
}

// newMemory looks once before it returns and then every second until stopped.
func newMemory(ctx context.Context, name string, conn Conn) (*memory, error) {
	m := &memory{name: name, conn: conn, done: make(chan struct{})}
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
// last would be too many.
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
	m.mu.Lock()
	defer m.mu.Unlock()
	grown := int64(0)
	if m.used > 0 {
		grown = max(0, now.Used-m.used)
	}
	if m.used = now.Used; now.Max > 0 && now.Used+2*grown >= now.Max {
		m.full = fmt.Errorf("%s is full: %d MB of its maxmemory of %d MB are used: give it more memory, or move fewer slots to it",
			m.name, now.Used>>20, now.Max>>20)
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
