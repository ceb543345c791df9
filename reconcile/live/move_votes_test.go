package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// afterConn has something happen right after commands are answered.
type afterConn struct {
	Conn
	after func(cmds [][]any)
}

func (c afterConn) Pipe(ctx context.Context, cmds [][]any) []Reply {
	replies := c.Conn.Pipe(ctx, cmds)
	c.after(cmds)
	return replies
}

// Messages of the cluster bus, and none of them.
const (
	pong    = 1 // by which a master tells at once what slots it has got
	request = 5 // for a vote
	none    = -1
)

// deaf has servers drop what comes of one kind.
func (w *world) deaf(kind int, all ...*process) {
	for _, p := range all {
		if v := w.do(p, "DEBUG", "DROP-CLUSTER-PACKET-FILTER", kind); v != "OK" {
			w.t.Errorf("%s: %v", p.name, v)
		}
	}
}

// A person has the replica of the source take its place right after the target has
// claimed the slots, when nobody has heard of that. Were the replica elected, its
// epoch would be no smaller than the target's, which would drop every key.
func TestNoReplicaIsElectedForSlotsThatAreBeingClaimed(t *testing.T) {
	t.Parallel()
	w := threeOwners(t)
	heir, source, other, target := w.heir(w.nodes[0], "r0"), w.nodes[0], w.nodes[1], w.nodes[2]
	slots := ranged(3, 5)
	want := w.fill(source, slots, 20)
	hard := []*process{source, other, heir}
	var claimed sync.Once
	asked := false
	m := w.moverBefore(claims(target), func() { w.deaf(pong, hard...) })
	before := m.dial
	m.dial = func(addr string) Conn {
		return afterConn{before(addr), func(cmds [][]any) {
			if !claims(target)(addr, fmt.Sprintln(cmds[0]...)) {
				return
			}
			claimed.Do(func() {
				asked = true
				epoch := w.epoch(heir)
				w.do(heir, "CLUSTER", "FAILOVER", "FORCE")
				if !livetest.Eventually(enough, func() bool { return w.epoch(heir) > epoch }) {
					t.Error("the replica asks for no votes")
				}
				if livetest.Eventually(enough, func() bool { return w.leads(heir) }) {
					t.Error("the replica is elected")
				}
				w.deaf(none, hard...)
			})
		}}
	}
	err := m.move(t.Context(), moves("n0", "n2", slots))
	if asked == valkey(w.look().Node("n0"), 9) {
		t.Errorf("the replica was told to take over: %v", asked)
	}
	if err != nil {
		t.Error(err)
	}
	w.agreed()
	w.holds(target, slots, want)
}

// leads says that a server takes itself for a master.
func (w *world) leads(p *process) bool {
	return strings.Contains(fmt.Sprint(w.do(p, "INFO", "replication")), "role:master")
}

// A replica of the source is elected between the last look at the source, which
// has not heard of that, and the claim. It takes writes from then on, and knows no
// marks, so the slots are not claimed after anybody has voted.
func TestSlotsAreNotClaimedAfterAVote(t *testing.T) {
	t.Parallel()
	for _, deaf := range []int{1, 2} { // the vote of either is enough, with that of the source
		t.Run(fmt.Sprintf("n%d does not vote", deaf), func(t *testing.T) {
			t.Parallel()
			w := threeOwners(t)
			heir, other, target := w.heir(w.nodes[0], "r0"), w.nodes[1], w.nodes[2]
			slots := ranged(3, 5)
			want := w.fill(w.nodes[0], slots, 20)
			asked := false
			warns := func(addr, cmd string) bool {
				return addr == other.addr && strings.HasPrefix(cmd, "CLUSTER SETSLOT") && strings.Contains(cmd, "NODE")
			}
			m := w.moverBefore(warns, func() {
				asked = true
				w.deaf(request, w.nodes[deaf])
				w.do(heir, "CLUSTER", "FAILOVER", "FORCE")
				if !livetest.Eventually(enough, func() bool { return w.leads(heir) }) {
					t.Error("the replica is not elected")
				}
				w.deaf(none, w.nodes[deaf])
			})
			err := m.move(t.Context(), moves("n0", "n2", slots))
			if asked == valkey(w.look().Node("n0"), 9) {
				t.Errorf("the replica was told to take over: %v", asked)
			}
			if asked && err == nil {
				t.Error("a master that was replaced has handed slots over")
			}
			w.agreed()
			leads, _ := w.lead("n0", "r0")
			w.finish(leads.name, "n2", slots)
			w.holds(target, slots, want)
		})
	}
}

// Who has no part in a move stands still while it goes on. It can't be told of the
// slots' new owner, and is not waited for each time slots are handed over. Replicas of
// both ends have to agree to every mark, from Valkey 8 on.
func TestWhoStandsStillHoldsUpNobodyElsesMove(t *testing.T) {
	t.Parallel()
	for who, master := range map[string]int{"another master": 1, "a replica of another master": 1, "a replica of the source": 0} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			w := threeOwners(t)
			w.byKey()
			if master == 0 && valkey(w.look().Node("n0"), 8) {
				return
			}
			still := w.heir(w.nodes[master], "r")
			if who == "another master" { // its replica takes its place
				still = w.nodes[1]
			}
			slots := ranged(200, 1000)
			want := w.fill(w.nodes[0], slots, 1)
			var stopped time.Time
			m := w.moverBefore(claims(w.nodes[2]), func() {
				stopped = time.Now()
				w.signal(still, syscall.SIGSTOP)
			})
			err := m.move(t.Context(), moves("n0", "n2", slots))
			if took := time.Since(stopped); err != nil || took > 40*time.Second {
				t.Errorf("%s after %s stood still the move ended with %v", took, still.name, err)
			}
			w.signal(still, syscall.SIGCONT)
			w.agreed()
			w.holds(w.nodes[2], slots, want)
		})
	}
}

// The target dies when the others have been told that the slots are its own, and its
// replica takes its place, which knows nothing of that. Were they to believe it on,
// they would serve no slot until a person has the dead one forgotten.
func TestNobodyGoesOnGivingSlotsToATargetThatDied(t *testing.T) {
	t.Parallel()
	w := threeOwners(t)
	w.byKey()
	source, other, target := w.nodes[0], w.nodes[1], w.nodes[2]
	heir := w.heir(target, "r2")
	slots := ranged(3, 5)
	want := w.fill(source, slots, 20)
	m := w.moverBefore(claims(target), func() {
		w.copied(target, heir)
		w.kill(target)
	})
	if err := m.move(t.Context(), moves("n0", "n2", slots)); err == nil {
		t.Error("slots went to a dead master")
	}
	w.until("r2 leads", func() bool { return w.leads(heir) })
	w.until("all agree on a cluster that is ok", func() bool {
		for _, p := range []*process{source, other, heir} {
			lines, err := cluster.ParseNodes(fmt.Sprint(w.do(p, "CLUSTER", "NODES")))
			i := slices.IndexFunc(lines, func(l cluster.Line) bool { return l.ID == w.id(source) })
			if owned := lines[max(i, 0)].Slots(); err != nil || i < 0 || !owned.Has(3) || !owned.Has(5) {
				return false
			}
			if !strings.Contains(fmt.Sprint(w.do(p, "CLUSTER", "INFO")), "cluster_state:ok") {
				return false
			}
		}
		return true
	})
	w.finish("n0", "r2", slots)
	w.holds(heir, slots, want)
}
