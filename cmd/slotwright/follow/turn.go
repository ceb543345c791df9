package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/slotwright/slotwright/reconcile/whole"
)

// Lock makes this process the one that follows the source on this machine. While
// another one does, holder says which, and free is nil. The system frees it when
// the process ends.
func (m *Memory) Lock() (free func(), holder string, err error) {
	f, err := os.OpenFile(m.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("lock the source: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer f.Close()
		text, _ := io.ReadAll(io.LimitReader(f, 100))
		return nil, strings.TrimSpace(string(text)), nil
	}
	if err != nil {
		_ = f.Close()
		return nil, "", fmt.Errorf("lock the source: %w", err)
	}
	m.sweep()
	_ = f.Truncate(0)
	_, _ = fmt.Fprintf(f, "process %d\n", os.Getpid())
	// The file stays: to remove it would free its name for a second lock.
	return func() { _ = f.Close() }, "", nil
}

// sweep removes what a process that was killed while it wrote the memory left
// behind. Only the one who has the lock writes it.
func (m *Memory) sweep() { whole.Sweep(m.Path()) }

// Await waits until this process is the one. waiting is told once who is before
// it.
func (m *Memory) Await(ctx context.Context, waiting func(holder string)) (free func(), err error) {
	const every = time.Second
	for first := true; ; first = false {
		free, holder, err := m.Lock()
		if err != nil || free != nil {
			return free, err
		}
		if first {
			waiting(holder)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(every):
		}
	}
}
