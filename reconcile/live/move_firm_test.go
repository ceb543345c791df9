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

// orderConn has something happen right before commands are sent.
type orderConn struct {
	Conn
	before func(cmds [][]any)
}

func (c orderConn) Do(ctx context.Context, args ...any) (any, error) {
	c.before([][]any{args})
	return c.Conn.Do(ctx, args...)
}

func (c orderConn) Pipe(ctx context.Context, cmds [][]any) []Reply {
	c.before(cmds)
	return c.Conn.Pipe(ctx, cmds)
}

// moverBefore is a mover that is interrupted once, right before it sends a
// command that is waited for.
func (w *world) moverBefore(yes func(addr string, cmd string) bool, then func()) *mover {
	var once sync.Once
	m := w.mover()
	m.dial = func(addr string) Conn {
		return orderConn{w.dial(addr), func(cmds [][]any) {
			for _, cmd := range cmds {
				if yes(addr, fmt.Sprintln(cmd...)) {
					once.Do(then)
				}
			}
		}}
	}
	return m
}

// heir starts a replica of a master, and waits until all know it as one: who
// does not neither gives way to it nor votes for it.
func (w *world) heir(master *process, name string) *process {
	w.t.Helper()
	replica := w.follow(master, name)
	for _, p := range w.nodes {
		w.until(p.name+" knows "+name+" as a replica", func() bool {
			lines, err := cluster.ParseNodes(fmt.Sprint(w.do(p, "CLUSTER", "NODES")))
			return err == nil && slices.ContainsFunc(lines, func(l cluster.Line) bool { return l.Master != "" })
		})
	}
	return replica
}

// copied waits until a replica has every key of its master, to which nobody writes.
// WAIT would not do: it is about what its own connection wrote, and keys came by
// MIGRATE.
func (w *world) copied(master, replica *process) {
	w.t.Helper()
	w.until(replica.name+" has the keys", func() bool { return w.do(replica, "DBSIZE") == w.do(master, "DBSIZE") })
}

// givesWay has a replica ask its master to give way, and lets it not come to
// that: the votes are asked for, and the other masters stand still. They go on
// when the master has done what it must not do in that time, or a while after.
// It is called in the middle of a move, which must end: what goes wrong here is
// no reason to stop.
func (w *world) givesWay(replica *process, voters []*process, wrong func() bool) {
	before := w.epoch(replica)
	for _, v := range voters {
		w.signal(v, syscall.SIGSTOP)
	}
	if v := w.do(replica, "CLUSTER", "FAILOVER"); v != "OK" {
		w.t.Errorf("%s may not take over: %v", replica.name, v)
	} else if !livetest.Eventually(20*time.Second, func() bool { return w.epoch(replica) > before }) {
		w.t.Errorf("%s asks for no votes", replica.name)
	}
	go func() {
		livetest.Eventually(enough, wrong)
		for _, v := range voters {
			w.signal(v, syscall.SIGCONT)
		}
	}()
}

// enough is for what a server does at once, if it does it at all, and less than
// the node timeout.
const enough = 800 * time.Millisecond

func (w *world) signal(p *process, s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil {
		w.t.Errorf("%v to %s: %v", s, p.name, err)
	}
}

// epoch is the greatest epoch a server has heard of.
func (w *world) epoch(p *process) uint64 {
	n, _ := number(fmt.Sprint(w.do(p, "CLUSTER", "INFO")), "cluster_current_epoch:")
	return n
}

// own is what a server says of itself.
func (w *world) own(p *process) *cluster.Line {
	lines, _ := cluster.ParseNodes(fmt.Sprint(w.do(p, "CLUSTER", "NODES"))) // nothing of itself, then
	if self := cluster.Myself(lines); self != nil {
		return self
	}
	return &cluster.Line{}
}

// claims are the commands that make a target the owner of slots.
func claims(target *process) func(addr, cmd string) bool {
	return func(addr, cmd string) bool {
		return addr == target.addr && strings.Contains(cmd, "SETSLOT") && strings.Contains(cmd, "NODE")
	}
}

// A person has the replica of the target take its place. The target has agreed,
// holds up what may write, and does not know its heir yet; the votes are cast in
// the moment in which the slots are to be handed over. Were the target to take
// them, it would rise above its heir, both would lead, and one of them would drop
// what clients write to it.
func TestAMasterThatGivesWayTakesNoSlots(t *testing.T) {
	t.Parallel()
	w := threeOwners(t)
	heir, target := w.heir(w.nodes[2], "r2"), w.nodes[2]
	slots := ranged(3, 5)
	want := w.fill(w.nodes[0], slots, 20)
	asked := false
	m := w.moverBefore(claims(target), func() {
		asked = true
		w.givesWay(heir, w.nodes[:2], func() bool { slots := w.own(target).Slots(); return slots.Has(3) })
	})
	err := m.move(context.Background(), moves("n0", "n2", slots))
	if asked == valkey(w.look().Node("n0"), 9) {
		t.Errorf("the target was asked to give way: %v", asked)
	}
	// It is asked once more when the failover has taken long.
	if asked && !refused(err, "only with masters") && (err == nil || !strings.Contains(err.Error(), "r2 has taken the place of n2")) {
		t.Errorf("error %v does not say that n2 is a replica now", err)
	}
	w.agreed()
	seen := w.look()
	if asked && (seen.Node("r2").Master != "" || seen.Node("n2").Master != seen.Node("r2").ID) {
		t.Fatalf("r2 does not lead with n2 behind it: %+v %+v", seen.Node("r2"), seen.Node("n2"))
	}
	leads, _ := w.lead("n2", "r2")
	w.finish("n0", leads.name, slots)
	w.holds(leads, slots, want)
}

// The same when a target is to get an epoch above the source's.
func TestAMasterThatGivesWayTakesNoEpoch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, 0)
	heir := w.heir(w.nodes[1], "r1")
	slots := ranged(3, 5)
	want := w.fill(w.nodes[0], slots, 20)
	w.must(w.nodes[0], "CLUSTER", "BUMPEPOCH") // above the target's
	asked, at := false, uint64(0)
	m := w.moverBefore(func(_, cmd string) bool { return strings.Contains(cmd, "BUMPEPOCH") }, func() {
		asked, at = true, w.own(w.nodes[1]).Epoch
		w.givesWay(heir, []*process{w.nodes[0], w.nodes[2]}, func() bool { return w.own(w.nodes[1]).Epoch > at })
	})
	err := m.move(context.Background(), moves("n0", "n1", slots))
	if asked && err == nil {
		t.Error("slots went to a master that gave way")
	}
	if asked == valkey(w.look().Node("n0"), 9) {
		t.Errorf("the target was asked to give way: %v", asked)
	}
	w.agreed()
	if seen := w.look(); asked && (seen.Node("r1").Master != "" || seen.Node("n1").Master != seen.Node("r1").ID) {
		t.Fatalf("r1 does not lead with n1 behind it: %+v %+v", seen.Node("r1"), seen.Node("n1"))
	}
	leads, _ := w.lead("n1", "r1")
	w.finish("n0", leads.name, slots)
	w.holds(leads, slots, want)
}

// The same at the other end: the source has agreed to give way when it is asked
// for the last time whether all is as it was. Its heir knows nothing of the
// marks, takes writes, and would lose them with the slots.
func TestAMasterThatGivesWayHandsNoSlotsOver(t *testing.T) {
	t.Parallel()
	w := threeOwners(t)
	heir, source := w.heir(w.nodes[0], "r0"), w.nodes[0]
	slots := ranged(3, 5)
	want := w.fill(source, slots, 20)
	asked := false
	last := func(addr, cmd string) bool { // the last look at the source is the one in a script
		return addr == source.addr && strings.HasPrefix(cmd, "EVAL ") && strings.Contains(cmd, "CLUSTER NODES")
	}
	m := w.moverBefore(last, func() {
		asked = true
		w.givesWay(heir, w.nodes[1:3], func() bool { return false })
	})
	err := m.move(context.Background(), moves("n0", "n2", slots))
	if asked == valkey(w.look().Node("n0"), 9) {
		t.Errorf("the source was asked to give way: %v", asked)
	}
	if asked && (err == nil || !strings.Contains(err.Error(), "n0 is a replica now")) {
		t.Errorf("error %v does not say that n0 is a replica now", err)
	}
	w.agreed()
	leads, _ := w.lead("n0", "r0")
	w.finish(leads.name, "n2", slots)
	w.holds(w.nodes[2], slots, want)
}

// A login that may not run scripts can't have slots handed over, and is told so
// before a key moves.
func TestALoginWithoutScriptsIsToldWhatItNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	w.byKey()
	slots := ranged(3, 5)
	want := w.fill(w.nodes[0], slots, 20)
	for _, c := range []struct {
		at    int
		right string
	}{{0, "eval"}, {0, "time"}, {2, "eval"}} {
		w.must(w.nodes[c.at], "ACL", "SETUSER", "default", "-"+c.right)
		err := w.mover().move(context.Background(), moves("n0", "n2", slots))
		if text := fmt.Sprint(err); !strings.Contains(text, fmt.Sprintf("n%d: ", c.at)) || !strings.Contains(text, "allow the login EVAL") {
			t.Errorf("without %s at n%d the error is %v", c.right, c.at, err)
		}
		if seen := w.look(); len(seen.Open) > 0 || w.must(w.nodes[2], "DBSIZE") != int64(0) {
			t.Errorf("without %s at n%d slots are open: %v", c.right, c.at, seen.Open)
		}
		w.must(w.nodes[c.at], "ACL", "SETUSER", "default", "+"+c.right)
	}
	w.finish("n0", "n2", slots)
	w.holds(w.nodes[2], slots, want)
}
