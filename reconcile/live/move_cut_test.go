package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// knife cuts a run off at its n-th command, as if it had been killed: nothing
// gets through afterwards, not even an answer. Probes are not counted.
type knife struct {
	mu    sync.Mutex
	left  int
	after bool // the command worked, its answer is lost
}

var errCut = errors.New("cut off")

// let is how many of n commands get through, and whether their answers do.
func (k *knife) let(n int) (through int, cut bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left >= n {
		k.left -= n
		return n, false
	}
	through = max(k.left, 0)
	if k.left >= 0 && k.after {
		through = min(through+1, n)
	}
	k.left = -1
	return through, true
}

type cutConn struct {
	Conn
	k *knife
}

func (c cutConn) Do(ctx context.Context, args ...any) (any, error) {
	if args[0] == "PING" || args[0] == "INFO" {
		return c.Conn.Do(ctx, args...)
	}
	r := c.Pipe(ctx, [][]any{args})[0]
	return r.Value, r.Err
}

func (c cutConn) Pipe(ctx context.Context, cmds [][]any) []Reply {
	n, cut := c.k.let(len(cmds))
	replies := c.Conn.Pipe(ctx, cmds[:n])
	if cut {
		replies = make([]Reply, len(cmds))
		for i := range replies {
			replies[i].Err = errCut
		}
	}
	return replies
}

// agreed waits until every node names the same owner of every slot, and no two
// themselves: that is when a reconciler goes on.
func (w *world) agreed() {
	w.t.Helper()
	w.until("all agree", func() bool {
		seen := w.look()
		var open, owned slot.Set // a node that imports a slot ignores what gossip says of its owner
		for _, o := range seen.Open {
			open.Add(o.Slot)
		}
		for _, n := range seen.Nodes {
			if both := owned.Intersect(n.Slots); n.Master == "" && !both.Empty() {
				return false
			}
			owned = owned.Union(n.Slots)
		}
		owners := map[string]bool{}
		for _, p := range w.nodes {
			lines, err := cluster.ParseNodes(fmt.Sprint(w.do(p, "CLUSTER", "NODES")))
			if err != nil {
				continue // a dead one
			}
			var text []string
			for _, l := range lines {
				if slots := l.Slots().Minus(open); !slots.Empty() {
					text = append(text, l.ID+" "+slots.String())
				}
			}
			slices.Sort(text)
			owners[strings.Join(text, "\n")] = true
		}
		return len(owners) == 1
	})
}

// finish does what a fresh run would: it closes what is open and moves the rest.
func (w *world) finish(from, to string, slots slot.Set) {
	w.t.Helper()
	w.agreed()
	seen := w.look()
	owner := map[int]string{}
	for _, o := range seen.Open {
		for _, n := range seen.Nodes {
			if n.Slots.Has(o.Slot) {
				owner[o.Slot] = n.Name
			}
		}
	}
	for s, name := range owner {
		if err := w.mover().close(context.Background(), closes(name, to, ranged(s, s))); err != nil {
			w.t.Fatalf("close %d from %s to %s: %v", s, name, to, err)
		}
	}
	if rest := w.look().Node(from).Slots.Intersect(slots); !rest.Empty() {
		if err := w.mover().move(context.Background(), moves(from, to, rest)); err != nil {
			w.t.Fatalf("move the rest: %v", err)
		}
	}
	w.agreed()
}

func TestAMoveCutOffAnywhereEndsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	slots := ranged(3, 5)
	want := w.fill(w.nodes[0], slots, 3)
	from, to, where := 0, 2, ""
	defer func() {
		if !t.Failed() {
			return
		}
		t.Log(where)
		t.Log(w.look().Open)
		for _, n := range w.look().Nodes {
			t.Log(n.Name, n.Slots, n.Epoch)
		}
	}()
	seed := time.Now().UnixNano()
	t.Log("seed", seed)
	dice := rand.New(rand.NewPCG(uint64(seed), 0))
	for n, cuts := dice.IntN(4), true; cuts; n += 1 + dice.IntN(7) {
		cuts = false
		for _, after := range []bool{false, true} {
			for _, back := range []bool{false, true} {
				k := &knife{left: n, after: after}
				m := w.mover()
				m.dial = func(addr string) Conn { return cutConn{w.dial(addr), k} }
				err := m.move(context.Background(), moves(w.nodes[from].name, w.nodes[to].name, slots))
				cuts = cuts || k.left < 0
				if err != nil && k.left >= 0 {
					t.Fatalf("no cut, and %v", err)
				}
				where = fmt.Sprintf("cut at command %d (it worked: %v, reverted: %v), from %s to %s", n, after, back, w.nodes[from].name, w.nodes[to].name)
				if back {
					from, to = to, from
				}
				w.finish(w.nodes[from].name, w.nodes[to].name, slots)
				if w.holds(w.nodes[to], slots, want); t.Failed() {
					t.FailNow()
				}
				from, to = to, from
			}
		}
	}
}

func TestAMoveThatIsCancelledStopsWithinASecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	slots := ranged(0, 400)
	want := w.fill(w.nodes[0], slots, 50)
	ctx, cancel := context.WithCancel(context.Background())
	m := w.mover()
	var begun sync.Once
	var at time.Time
	m.dial = func(addr string) Conn {
		return watchConn{w.dial(addr), func(cmd string) {
			if cmd == "MIGRATE" || cmd == "CLUSTER MIGRATESLOTS" {
				begun.Do(func() { at = time.Now(); cancel() })
			}
		}}
	}
	err := m.move(ctx, moves("n0", "n2", slots))
	if arrived := w.look().Nodes[2].Slots.Len() == 401; !errors.Is(err, context.Canceled) && !arrived {
		t.Fatalf("error %v, not cancelled", err)
	}
	if took := time.Since(at); took > 3*time.Second { // a second, on a machine that has nothing else to do
		t.Errorf("it went on for %s", took)
	}
	if open := len(w.look().Open); open > 20 {
		t.Errorf("%d marks are left of what was not even begun", open)
	}
	w.finish("n0", "n2", slots)
	w.holds(w.nodes[2], slots, want)
}

// watchConn tells which commands are sent.
type watchConn struct {
	Conn
	sent func(cmd string)
}

func (c watchConn) Do(ctx context.Context, args ...any) (any, error) {
	c.sent(fmt.Sprint(args[0], " ", args[min(1, len(args)-1)]))
	return c.Conn.Do(ctx, args...)
}

func (c watchConn) Pipe(ctx context.Context, cmds [][]any) []Reply {
	for _, cmd := range cmds {
		c.sent(fmt.Sprint(cmd[0]))
	}
	return c.Conn.Pipe(ctx, cmds)
}

// follow starts a replica of a master and waits until it is in sync.
func (w *world) follow(master *process, name string) *process {
	w.t.Helper()
	p := w.start(name)
	w.join(p)
	w.must(p, "CLUSTER", "REPLICATE", w.id(master))
	w.until(name+" follows", func() bool {
		return strings.Contains(fmt.Sprint(w.do(p, "INFO", "replication")), "master_link_status:up")
	})
	return p
}

// failover makes a replica the master and waits until all know.
func (w *world) failover(replica *process) {
	w.t.Helper()
	asked := time.Now().Add(-time.Minute)
	if w.leads(replica) {
		return
	}
	w.until(replica.name+" is a master", func() bool {
		if time.Since(asked) > 6*time.Second { // a vote can fail, and is over after 5 s
			w.do(replica, "CLUSTER", "FAILOVER")
			asked = time.Now()
		}
		return w.leads(replica)
	})
	w.agreed()
}

func TestAFailoverOfEitherEndInTheMiddleOfASlotLosesNoKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	w.follow(w.nodes[0], "r0")
	if err := w.mover().move(context.Background(), moves("n0", "n2", ranged(100, 110))); err != nil {
		t.Fatal(err)
	}
	w.follow(w.nodes[2], "r2")
	for i, c := range []struct {
		fails string
		back  bool
	}{{"from", false}, {"from", true}, {"to", false}, {"to", true}} {
		s := 20 + i
		a, ra := w.lead("n0", "r0")
		b, rb := w.lead("n2", "r2")
		want := w.fill(a, ranged(s, s), 8)
		w.importing(s, a, b)
		w.migrating(s, a, b)
		w.half(a, b, s, 4)
		if c.fails == "from" {
			w.failover(ra)
		} else {
			w.failover(rb)
		}
		a, _ = w.lead("n0", "r0")
		b, _ = w.lead("n2", "r2")
		goal := b
		if c.back {
			goal = a
		}
		if err := w.mover().close(context.Background(), closes(a.name, goal.name, ranged(s, s))); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		w.until("no mark is left", func() bool { return len(w.look().Open) == 0 })
		w.holds(goal, ranged(s, s), want)
	}
}

// lead tells which of two is the master, and which the replica.
func (w *world) lead(x, y string) (master, replica *process) {
	seen := w.look()
	for _, p := range w.nodes {
		if p.name != x && p.name != y {
			continue
		}
		if seen.Node(p.name).Master == "" {
			master = p
		} else {
			replica = p
		}
	}
	return master, replica
}

func TestAMoveDuringAFailoverEndsWell(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"source", "target"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, 1)
			if err := w.mover().move(context.Background(), moves("n0", "n2", ranged(1000, 1010))); err != nil {
				t.Fatal(err)
			}
			w.follow(w.nodes[0], "r0")
			w.follow(w.nodes[2], "r2")
			slots := ranged(0, 150)
			want := w.fill(w.nodes[0], slots, 100)
			replica := map[string]*process{"source": w.nodes[3], "target": w.nodes[4]}[end]
			m := w.mover()
			var once sync.Once
			reported := make(chan struct{})
			m.dial = func(addr string) Conn {
				return watchConn{w.dial(addr), func(cmd string) {
					if cmd == "MIGRATE" || cmd == "CLUSTER MIGRATESLOTS" {
						once.Do(func() { w.do(replica, "CLUSTER", "FAILOVER"); close(reported) })
					}
				}}
			}
			err := m.move(context.Background(), moves("n0", "n2", slots))
			<-reported
			w.failover(replica)
			t.Logf("the move said: %v", err)
			a, _ := w.lead("n0", "r0")
			b, _ := w.lead("n2", "r2")
			w.finish(a.name, b.name, slots)
			w.holds(b, slots, want)
		})
	}
}

func TestSlotsOfSeveralPairsMoveAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, 2)
	var steps []plan.Step
	var all []map[string]string
	for i := range 3 {
		first := slot.Count * i / 3
		for k := range 2 {
			s := ranged(first+k*20, first+k*20+19)
			all = append(all, w.fill(w.nodes[i], s, 10))
			steps = append(steps, moves(w.nodes[i].name, w.nodes[3+k].name, s)...)
		}
	}
	m, done := w.mover(), map[string]int{}
	m.report = func(p plan.Progress) { done[p.Step.From+p.Step.To] = p.Done }
	if err := m.move(context.Background(), steps); err != nil {
		t.Fatal(err)
	}
	w.agreed()
	for i, s := range steps {
		w.holds(w.nodes[3+i%2], s.Slots, all[i])
		if done[s.From+s.To] != 20 {
			t.Errorf("%s to %s: %d slots reported", s.From, s.To, done[s.From+s.To])
		}
	}
}
