//go:build engines

package live

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// All keys of a slot are at a master that does not own it, and are to come back to
// its owner: they get there by way of the holder, which owns the slot for a moment.
// What it has said before that must have been heard when the slot goes back: Valkey
// 8 would take it by itself, and the holder drop the keys.
func TestASlotThatGoesBackAtOnceWaitsForWhatWasSaidBefore(t *testing.T) {
	t.Parallel()
	w := newValkeyWorld(t, "8", Login{})
	owner, holder := w.nodes[0], w.nodes[2]
	want := w.fill(owner, ranged(7, 7), 6)
	w.importing(7, owner, holder)
	w.migrating(7, owner, holder)
	w.half(owner, holder, 7, 6)
	var mu sync.Mutex
	var got, back time.Time
	id := w.id(holder)
	m := w.mover()
	m.dial = func(addr string) Conn {
		return orderConn{w.dial(addr), func(cmds [][]any) {
			mu.Lock()
			defer mu.Unlock()
			for _, cmd := range cmds {
				switch text := fmt.Sprintln(cmd...); {
				case addr == holder.addr && strings.HasPrefix(text, "CLUSTER SETSLOT 7 NODE "+id):
					got = time.Now()
				case addr == owner.addr && strings.HasPrefix(text, "CLUSTER SETSLOT 7 IMPORTING") && back.IsZero():
					back = time.Now()
				}
			}
		}}
	}
	if err := m.close(t.Context(), closes("n0", "n0", ranged(7, 7))); err != nil {
		t.Fatal(err)
	}
	w.holds(owner, ranged(7, 7), want)
	if got.IsZero() || back.Sub(got) < calm {
		t.Errorf("the holder got the slot at %v, and it was to go back at %v", got, back)
	}
}
