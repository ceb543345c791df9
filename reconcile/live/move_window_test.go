package live

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// byKey has a world's servers move keys one by one: those of Valkey 9 would move
// whole slots by themselves.
func (w *world) byKey() {
	w.t.Helper()
	if !valkey(w.look().Node("n0"), 9) {
		return
	}
	for _, p := range w.nodes {
		w.must(p, "ACL", "SETUSER", "default", "-cluster|migrateslots")
	}
}

// slowProbes answers PING late.
type slowProbes struct {
	Conn
	by func() time.Duration
}

func (c slowProbes) Do(ctx context.Context, args ...any) (any, error) {
	v, err := c.Conn.Do(ctx, args...)
	if args[0] == "PING" {
		time.Sleep(c.by())
	}
	return v, err
}

// The clients of a server wait, and the bursts that its keys are sent in get
// shorter; they do not wait any more, and they get longer again. What was chosen is
// told.
func TestBurstsFollowWhatClientsWait(t *testing.T) {
	t.Parallel()
	for _, late := range []string{"n0", "n2"} {
		t.Run(late, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, 1)
			w.byKey()
			slots := ranged(0, 150)
			want := w.fill(w.nodes[0], slots, 4)
			m := w.mover()
			m.budget = testBudget
			var mu sync.Mutex
			wait := 30 * time.Millisecond // longer than the budget
			by := func() time.Duration { mu.Lock(); defer mu.Unlock(); return wait }
			m.dial = func(addr string) Conn {
				c := Conn(watchConn{w.dial(addr), func(cmd string) {
					if cmd == "MIGRATE" {
						time.Sleep(10 * time.Millisecond) // so that the move lasts
					}
				}})
				if addr == w.process(late).addr {
					c = slowProbes{c, by}
				}
				return c
			}
			narrow, wide := time.Duration(0), time.Duration(0)
			m.report = func(p plan.Progress) {
				mu.Lock()
				defer mu.Unlock()
				switch window := time.Duration(p.Window) * time.Microsecond; {
				case wait > 0 && window > 0 && window <= m.budget/10:
					narrow, wait = window, 0
					if p.Latency < 20_000 {
						t.Errorf("clients wait %d us with a window of %s", p.Latency, window)
					}
				case wait == 0:
					wide = max(wide, window)
				}
			}
			if err := m.move(t.Context(), moves("n0", "n2", slots)); err != nil {
				t.Fatal(err)
			}
			w.holds(w.nodes[2], slots, want)
			if narrow == 0 || wide <= narrow {
				t.Errorf("the window narrowed to %s and widened to %s", narrow, wide)
			}
		})
	}
}

func (w *world) process(name string) *process {
	for _, p := range w.nodes {
		if p.name == name {
			return p
		}
	}
	w.t.Fatalf("no %s", name)
	return nil
}

// No pair waits for another one: here no key leaves before both sources send.
func TestPairsSendAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 2)
	w.byKey()
	low, high := ranged(0, 20), ranged(16000, 16020)
	one, two := w.fill(w.nodes[0], low, 5), w.fill(w.nodes[1], high, 5)
	var mu sync.Mutex
	sent := map[string]bool{}
	both := func() bool { mu.Lock(); defer mu.Unlock(); return len(sent) == 2 }
	m := w.mover()
	m.dial = func(addr string) Conn {
		return watchConn{w.dial(addr), func(cmd string) {
			if cmd != "MIGRATE" {
				return
			}
			mu.Lock()
			sent[addr] = true
			mu.Unlock()
			if !livetest.Eventually(20*time.Second, both) {
				t.Errorf("%s sends, and the other one waits", addr)
			}
		}}
	}
	if err := m.move(t.Context(), append(moves("n0", "n2", low), moves("n1", "n3", high)...)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], low, one)
	w.holds(w.nodes[3], high, two)
}

// Where cluster-allow-replica-migration is on, a master that gives its last slot
// away follows the one that gets it, and refuses to be told of it any more.
func TestAMasterThatFollowsOnceItIsEmptyHasGivenAllAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, 0, "--cluster-allow-replica-migration", "yes")
	w.byKey()
	all := w.look().Node("n1").Slots
	want := w.fill(w.nodes[1], ranged(6000, 6020), 5)
	if err := w.mover().move(t.Context(), moves("n1", "n2", all)); err != nil {
		t.Fatal(err)
	}
	w.until("n1 follows n2", func() bool { return w.look().Node("n1").Master == w.id(w.nodes[2]) })
	w.agreed()
	w.holds(w.nodes[2], all, want)
}

// A target that evicts refuses no key: it throws others away. It is watched, and
// the move stops before that.
func TestATargetThatWouldEvictStopsTheMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	w.byKey()
	from, to, slots := w.nodes[0], w.nodes[2], ranged(0, 99)
	pipe, long := from.c.Pipeline(), strings.Repeat("x", 100_000)
	for s := range slots.Each() {
		pipe.Set(t.Context(), tagged(tagOf(s), 1)[0], long, 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	used, err := number(fmt.Sprint(w.do(to, "INFO", "memory")), "used_memory:")
	if err != nil {
		t.Fatal(err)
	}
	w.must(to, "CONFIG", "SET", "maxmemory", used+6_000_000, "maxmemory-policy", "allkeys-lru")
	m := w.mover()
	m.dial = func(addr string) Conn { // 2 MB a second or less
		return watchConn{w.dial(addr), func(cmd string) {
			if cmd == "MIGRATE" {
				time.Sleep(50 * time.Millisecond)
			}
		}}
	}
	if err := m.move(t.Context(), moves("n0", "n2", slots)); err == nil || !strings.Contains(err.Error(), "n2 is full") {
		t.Errorf("it ended with %v", err)
	}
	if info := fmt.Sprint(w.do(to, "INFO", "stats")); !strings.Contains(info, "evicted_keys:0\r") {
		t.Error("n2 has thrown keys away")
	}
	if n := w.must(from, "DBSIZE").(int64) + w.must(to, "DBSIZE").(int64); n != 100 {
		t.Errorf("%d keys are left of 100", n)
	}
	w.must(to, "CONFIG", "SET", "maxmemory", 0)
	w.finish("n0", "n2", slots)
	if n := w.must(to, "DBSIZE"); n != int64(100) {
		t.Errorf("n2 has %v keys of 100", n)
	}
}
