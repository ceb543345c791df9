package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// standsStill has a server stand still until its replica leads.
func (w *world) standsStill(p, heir *process) {
	w.signal(p, syscall.SIGSTOP)
	go func() {
		livetest.Eventually(time.Minute, func() bool {
			return w.leads(heir)
		})
		w.signal(p, syscall.SIGCONT)
	}()
}

// The target stands still, for longer than the node timeout, in the moment in
// which the slots are claimed for it. What it was told waits in its socket, and it
// reads that before it hears of its heir. Were it to take the slots, it would stay
// a master beside its heir, and both would hold keys of the slots on their way.
func TestATargetThatStoodStillTakesNoSlots(t *testing.T) {
	t.Parallel()
	w := threeOwners(t)
	target := w.nodes[2]
	heir := w.heir(target, "r2")
	slots := ranged(3, 6)
	want := w.fill(w.nodes[0], slots, 20)
	w.importing(6, w.nodes[0], target) // one that is still on its way
	w.migrating(6, w.nodes[0], target)
	w.half(w.nodes[0], target, 6, 10)
	still := false
	m := w.moverBefore(claims(target), func() {
		w.copied(target, heir)
		still = true
		w.standsStill(target, heir)
	})
	err := m.move(context.Background(), moves("n0", "n2", ranged(3, 5)))
	if still == valkey(w.look().Node("n0"), 9) {
		t.Errorf("the target stood still: %v", still)
	}
	if still && err == nil {
		t.Error("slots went to a master that stood still")
	}
	w.agreed()
	if seen := w.look(); still && (seen.Node("r2").Master != "" || seen.Node("n2").Master != seen.Node("r2").ID) {
		t.Fatalf("r2 does not lead with n2 behind it: %+v %+v", seen.Node("r2"), seen.Node("n2"))
	}
	leads, _ := w.lead("n2", "r2")
	w.finish("n0", leads.name, slots)
	w.holds(leads, slots, want)
}

// The same when a target is to get an epoch above the source's.
func TestATargetThatStoodStillTakesNoEpoch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, 0)
	target := w.nodes[1]
	heir := w.heir(target, "r1")
	slots := ranged(3, 5)
	want := w.fill(w.nodes[0], slots, 20)
	w.must(w.nodes[0], "CLUSTER", "BUMPEPOCH") // above the target's
	still, at := false, uint64(0)
	m := w.moverBefore(func(_, cmd string) bool { return strings.Contains(cmd, "BUMPEPOCH") }, func() {
		still, at = true, w.own(target).Epoch
		w.standsStill(target, heir)
	})
	err := m.move(context.Background(), moves("n0", "n1", slots))
	if still && err == nil {
		t.Error("slots went to a master that stood still")
	}
	if still == valkey(w.look().Node("n0"), 9) {
		t.Errorf("the target stood still: %v", still)
	}
	w.agreed()
	if seen := w.look(); still && (seen.Node("r1").Master != "" || seen.Node("n1").Master != seen.Node("r1").ID) {
		t.Fatalf("r1 does not lead with n1, which had epoch %d, behind it: %+v %+v", at, seen.Node("r1"), seen.Node("n1"))
	}
	leads, _ := w.lead("n1", "r1")
	w.finish("n0", leads.name, slots)
	w.holds(leads, slots, want)
}

// A connection is made anew and leads to another server, in the moment in which
// slots are claimed. Whatever that one answers, the source lets go of nothing.
func TestAClaimThatReachesAnotherServerMovesNothing(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before", "after"} {
		t.Run(when+" the claim", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, 1)
			other := w.start("x")
			w.nodes = w.nodes[:3] // it is no member
			slots := ranged(3, 5)
			want := w.fill(w.nodes[0], slots, 20)
			m := w.mover()
			m.dial = func(addr string) Conn {
				if addr != w.nodes[2].addr {
					return w.dial(addr)
				}
				return &turningConn{Conn: w.dial(addr), other: w.dial(other.addr), after: when == "after"}
			}
			err := m.move(context.Background(), moves("n0", "n2", slots))
			if valkey(w.look().Node("n0"), 9) {
				return // it hands slots over by itself
			}
			if err == nil || !strings.Contains(err.Error(), "another node") && !strings.Contains(err.Error(), "nknown node") {
				t.Errorf("error %v does not say that another node answers", err)
			}
			if seen := w.look(); when == "before" && !seen.Node("n0").Slots.Has(3) || len(seen.Open) == 0 {
				t.Errorf("the source let go of the slots: %v", seen.Open)
			}
			w.finish("n0", "n2", slots)
			w.holds(w.nodes[2], slots, want)
		})
	}
}

// turningConn leads to another server from the claim on.
type turningConn struct {
	Conn
	other  Conn
	after  bool // the claim itself still reaches the first one
	turned bool
}

func (c *turningConn) Pipe(ctx context.Context, cmds [][]any) []Reply {
	conn := c.Conn
	if text := fmt.Sprint(cmds); strings.Contains(text, "SETSLOT") && strings.Contains(text, "NODE") {
		if c.turned = true; c.after {
			return conn.Pipe(ctx, cmds)
		}
	}
	if c.turned {
		conn = c.other
	}
	return conn.Pipe(ctx, cmds)
}

func (c *turningConn) Do(ctx context.Context, args ...any) (any, error) {
	r := c.Pipe(ctx, [][]any{args})[0]
	return r.Value, r.Err
}

func (c *turningConn) Close() error {
	return errors.Join(c.Conn.Close(), c.other.Close())
}

// farConn is a connection that every command and its answer take a while on.
type farConn struct {
	Conn
	away time.Duration
}

func (c farConn) Do(ctx context.Context, args ...any) (any, error) {
	time.Sleep(c.away)
	return c.Conn.Do(ctx, args...)
}

func (c farConn) Pipe(ctx context.Context, cmds [][]any) []Reply {
	time.Sleep(c.away)
	return c.Conn.Pipe(ctx, cmds)
}

// Whoever moves slots from the other side of an ocean can hand them over: what has to
// be over within promptly are three round trips, or four where replicas agree first.
func TestSlotsAreHandedOverFromFarAway(t *testing.T) {
	t.Parallel()
	w := threeOwners(t)
	w.byKey()
	away := 115 * time.Millisecond
	if valkey(w.look().Node("n0"), 8) {
		away = 85 * time.Millisecond
	}
	w.copied(w.nodes[2], w.heir(w.nodes[2], "r2"))
	slots := ranged(3, 5)
	want := w.fill(w.nodes[0], slots, 20)
	m := w.mover()
	m.dial = func(addr string) Conn { return farConn{w.dial(addr), away} }
	if err := m.move(t.Context(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
}
