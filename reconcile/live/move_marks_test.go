//go:build engines

package live

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A replica that stands still keeps its master of Valkey 8 from setting marks, for a
// while: nothing was done then, and they are set again.
func TestMarksThatReplicasAreTooSlowForAreSetAgain(t *testing.T) {
	t.Parallel()
	w := newValkeyWorld(t, "8", Login{}, "--cluster-node-timeout", "15000")
	heir := w.follow(w.nodes[0], "r0")
	slots := ranged(0, 20)
	want := w.fill(w.nodes[0], slots, 5)
	var stop, goOn sync.Once
	refused := 0
	var mu sync.Mutex
	m := w.mover()
	m.dial = func(addr string) Conn {
		return orderConn{answerConn{w.dial(addr), func(r Reply) {
			if strings.Contains(fmt.Sprint(r.Err), "NOREPLICAS") {
				mu.Lock()
				refused++
				mu.Unlock()
				goOn.Do(func() { w.signal(heir, syscall.SIGCONT) })
			}
		}}, func(cmds [][]any) {
			if strings.Contains(fmt.Sprint(cmds[0]...), "MIGRATING") {
				stop.Do(func() { w.signal(heir, syscall.SIGSTOP) })
			}
		}}
	}
	if err := m.move(t.Context(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	if refused == 0 {
		t.Error("no mark was refused")
	}
	w.holds(w.nodes[2], slots, want)
}

// answerConn tells what is answered to commands sent together.
type answerConn struct {
	Conn
	answered func(Reply)
}

func (c answerConn) Pipe(ctx context.Context, cmds [][]any) []Reply {
	replies := c.Conn.Pipe(ctx, cmds)
	for _, r := range replies {
		c.answered(r)
	}
	return replies
}
