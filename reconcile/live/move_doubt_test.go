package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// momentConn tells what is to be sent together, and what was answered.
type momentConn struct {
	Conn
	before, after func(cmds [][]any, replies []Reply)
}

func (c momentConn) Pipe(ctx context.Context, cmds [][]any) []Reply {
	c.before(cmds, nil)
	replies := c.Conn.Pipe(ctx, cmds)
	c.after(cmds, replies)
	return replies
}

// doubtful is a world in which the first MIGRATE ends unknown: its target stands
// still until the source gives up, and then reads what it was sent. Deeds are done
// once each at their time.
type doubtful struct {
	*world
	source, to *process
	slot       int
	keys       []string
	mu         sync.Mutex
	once       map[string]bool
	unknown    func() // the source has given up, the target has its copies
	watched    func() // the target watches the copies, nobody has asked the source
	asked      func() // the source has said which keys it holds
	again      func() // the next list is about to be made
	refused    int    // transactions
	stopped    time.Time
	took       time.Duration // until the source gave up
	burst      int           // MIGRATEs that it gave up
}

const doubted = 6

func newDoubtful(t *testing.T) *doubtful {
	t.Helper()
	w := newWorld(t, 2, 1, "--cluster-node-timeout", "6000")
	w.byKey()
	nothing := func() {}
	return &doubtful{
		world: w, source: w.nodes[0], to: w.nodes[2], slot: 7, keys: tagged(tagOf(7), doubted), once: map[string]bool{},
		unknown: nothing, watched: nothing, asked: nothing, again: nothing,
	}
}

func (d *doubtful) first(what string, ok bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !ok || d.once[what] {
		return false
	}
	d.once[what] = true
	return true
}

func (d *doubtful) had(what string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.once[what]
}

// mover is one that such a thing happens to.
func (d *doubtful) mover() *mover {
	m := d.world.mover()
	sends := func(cmds [][]any, name string) bool {
		return slices.ContainsFunc(cmds, func(cmd []any) bool { return cmd[0] == name || len(cmd) > 1 && cmd[1] == name })
	}
	m.dial = func(addr string) Conn {
		return momentConn{d.dial(addr), func(cmds [][]any, _ []Reply) {
			switch {
			case d.first("stop", sends(cmds, "MIGRATE")):
				d.stopped = time.Now()
				d.signal(d.to, syscall.SIGSTOP)
			case d.had("unknown") && d.first("again", addr == d.source.addr && sends(cmds, "EVAL_RO")):
				d.again()
			}
		}, func(cmds [][]any, replies []Reply) {
			switch {
			case d.first("unknown", sends(cmds, "MIGRATE")):
				d.took, d.burst = time.Since(d.stopped), len(replies)
				if !refused(replies[0].Err, "IOERR") {
					d.t.Errorf("the MIGRATE ended with %v", replies[0])
				}
				d.signal(d.to, syscall.SIGCONT)
				d.until("the target has the copies", func() bool {
					return d.do(d.to, "CLUSTER", "COUNTKEYSINSLOT", d.slot) == int64(doubted)
				})
				d.unknown()
			case d.had("unknown") && d.first("watched", addr == d.to.addr && sends(cmds, "MULTI") && !sends(cmds, "EXEC")):
				d.watched()
			case d.had("watched") && d.first("asked", addr == d.source.addr && sends(cmds, "EXISTS")):
				d.asked()
			case sends(cmds, "EXEC") && !sends(cmds, "MULTI") && replies[len(replies)-1].Value == nil:
				d.mu.Lock()
				d.refused++
				d.mu.Unlock()
			}
		}}
	}
	return m
}

func (d *doubtful) move() error {
	return d.mover().move(context.Background(), moves("n0", "n2", ranged(d.slot, d.slot)))
}

// ends checks that the target has these keys, and no others.
func (d *doubtful) ends(want map[string]string) {
	d.t.Helper()
	d.holds(d.to, ranged(d.slot, d.slot), want)
	if n := d.must(d.to, "CLUSTER", "COUNTKEYSINSLOT", d.slot); n != int64(len(want)) {
		d.t.Errorf("n2 has %v keys, not %d", n, len(want))
	}
}

func TestCopiesOfAMigrateWhoseEndIsUnknownGetOutOfTheWay(t *testing.T) {
	t.Parallel()
	d := newDoubtful(t)
	want := d.fill(d.source, ranged(d.slot, d.slot), doubted)
	d.unknown = func() { // the source serves what it holds
		d.must(d.source, "SET", d.keys[0], "new")
		want[d.keys[0]] = "new"
	}
	d.again = func() {
		d.must(d.source, "DEL", d.keys[1])
		delete(want, d.keys[1])
	}
	if err := d.move(); err != nil {
		t.Fatal(err)
	}
	d.ends(want)
	if !d.had("asked") || !d.had("again") {
		t.Error("nobody asked the source, or for a list")
	}
}

// A source does nothing else while it waits for a target that stands still, and all
// that it waits for together is less than the node timeout.
func TestASourceIsBackInTimeWhenItsTargetStandsStill(t *testing.T) {
	t.Parallel()
	d := newDoubtful(t)
	slots := ranged(0, 20)
	want := d.fill(d.source, slots, doubted)
	if err := d.mover().move(context.Background(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	d.holds(d.to, slots, want)
	if d.took > 6*time.Second || d.burst < 5 {
		t.Errorf("it was away for %s, with %d MIGRATEs", d.took, d.burst)
	}
	t.Logf("%d MIGRATEs waited for %s", d.burst, d.took)
}

// A client deletes a key at the source and is sent to the target for it, where it
// writes the very value that the copy had.
func TestWhatAClientWritesOverACopyStays(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before the copies are watched", "while they are watched", "after the source was asked"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			d := newDoubtful(t)
			want := d.fill(d.source, ranged(d.slot, d.slot), doubted)
			deed := func() {
				d.must(d.source, "DEL", d.keys[1])
				if v := fmt.Sprint(d.do(d.source, "SET", d.keys[1], want[d.keys[1]])); !strings.HasPrefix(v, "ASK ") {
					t.Errorf("the source answers %s, and sends nobody to the target", v)
				}
				d.asking(d.to, "SET", d.keys[1], want[d.keys[1]])
			}
			switch when {
			case "before the copies are watched":
				d.unknown = deed
			case "while they are watched":
				d.watched = deed
			default:
				d.asked = deed
			}
			if err := d.move(); err != nil {
				t.Fatal(err)
			}
			d.ends(want)
			if spoilt := when != "before the copies are watched"; spoilt != (d.refused > 0) {
				t.Errorf("%d times nothing was deleted", d.refused)
			}
		})
	}
}

// While the source has no mark it makes a key anew whose value has left. Neither is
// a copy of the other.
func TestAKeyMadeAnewWhileTheMarkWasGoneIsHeld(t *testing.T) {
	t.Parallel()
	d := newDoubtful(t)
	want := d.fill(d.source, ranged(d.slot, d.slot), doubted)
	d.unknown = func() {
		d.must(d.source, "DEL", d.keys[1]) // as if it had left: only the target has it
		d.must(d.source, "CLUSTER", "SETSLOT", d.slot, "STABLE")
		d.must(d.source, "SET", d.keys[1], "another")
	}
	err := d.move()
	var held plan.Held
	if !errors.As(err, &held) || held.Hold.Code != plan.TwoValues || !strings.Contains(err.Error(), d.keys[1]) {
		t.Fatalf("it is not held: %v", err)
	}
	if v := d.must(d.source, "GET", d.keys[1]); v != "another" {
		t.Errorf("n0 has %v", v)
	}
	d.asking(d.to, "SET", d.keys[1], "another") // a person decides
	want[d.keys[1]] = "another"
	if err := d.closeAll("n0", "n2"); err != nil {
		t.Fatal(err)
	}
	d.ends(want)
}

// What a target holds is a copy only as long as the source is who it was, and
// sends clients there.
func TestCopiesAreProven(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		deed  func(d *doubtful, e *emptying)
		proof bool
	}{
		{"nothing happens", func(*doubtful, *emptying) {}, true},
		{"the source was restarted", func(d *doubtful, _ *emptying) { // and keeps its mark
			d.kill(d.source)
			d.run(d.source)
			d.until("it serves", func() bool {
				return strings.Contains(fmt.Sprint(d.do(d.source, "CLUSTER", "INFO")), "cluster_state:ok")
			})
		}, false},
		{"its replica leads", func(d *doubtful, e *emptying) {
			n1, err := e.reach(t.Context(), "n1")
			if err != nil {
				d.t.Fatal(err)
			}
			e.replicas = []heir{{n1, e.from}}
		}, false},
		{"its mark is gone", func(d *doubtful, _ *emptying) { d.must(d.source, "CLUSTER", "SETSLOT", d.slot, "STABLE") }, false},
		{"it sends clients elsewhere", func(d *doubtful, _ *emptying) { d.migrating(d.slot, d.source, d.nodes[1]) }, false},
		{"its mark was gone and is set anew", func(d *doubtful, e *emptying) {
			d.must(d.source, "CLUSTER", "SETSLOT", d.slot, "STABLE")
			if _, err := e.seal(d.t.Context(), []int{d.slot}); err != nil {
				d.t.Fatal(err)
			}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDoubtful(t)
			d.fill(d.source, ranged(d.slot, d.slot), doubted)
			p := d.world.mover().gather()
			t.Cleanup(p.letGo)
			w, err := p.pair(t.Context(), "n0", "n2")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.open(t.Context(), []int{d.slot}); err != nil {
				t.Fatal(err)
			}
			e, err := w.emptying(t.Context(), []int{d.slot})
			if err != nil {
				t.Fatal(err)
			}
			c.deed(d, e)
			kept, proven, err := e.kept(t.Context(), 0, d.slot, append(tagged(tagOf(d.slot), 2), "{"+tagOf(d.slot)+"}none"))
			if err != nil || proven != c.proof || c.proof && len(kept) != 2 {
				t.Errorf("kept %v, proven %v, %v", kept, proven, err)
			}
		})
	}
}
