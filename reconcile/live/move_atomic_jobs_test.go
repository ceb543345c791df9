//go:build engines

package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// stuck has no job of a source end by itself until it is told to.
func (w *world) stuck(p *process, yes bool) {
	w.t.Helper()
	w.must(p, "DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", map[bool]int{true: 1}[yes])
}

// sending are the jobs of a source that have not ended.
func (w *world) sending(p *process) []job {
	jobs, err := (&end{name: p.name, conn: w.dial(p.addr)}).jobs(context.Background())
	if err != nil {
		w.t.Errorf("%s does not tell its jobs: %v", p.name, err)
	}
	return running(jobs)
}

// A job lives in its server. One that a killed run has left, and that does what is
// wanted, is waited for and not begun again.
func TestAJobThatAKilledRunHasLeftIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	from, to, slots := w.nodes[0], w.nodes[2], ranged(0, 40)
	want := w.fill(from, slots, 5)
	w.stuck(from, true)
	w.must(from, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", 0, 40, "NODE", w.id(to))
	m := w.mover()
	looks := 0
	seen := watch(m, func(cmd string, v any, err error) (any, error) {
		if cmd == "GETSLOTMIGRATIONS" {
			if looks++; looks == 3 {
				w.stuck(from, false)
			}
		}
		return v, err
	})
	if err := m.move(t.Context(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(to, slots, want)
	if looks < 3 || seen.of("MIGRATESLOTS")+seen.of("CANCELSLOTMIGRATIONS")+seen.of("MIGRATE") > 0 {
		t.Errorf("it looked %d times and sent %v", looks, seen.counts)
	}
}

// One that sends the slots elsewhere, or more than them, is cancelled first.
func TestAJobThatDoesSomethingElseIsCancelled(t *testing.T) {
	t.Parallel()
	for name, job := range map[string]struct{ last, to int }{"to another target": {40, 1}, "of more slots": {50, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAtomicWorld(t, Login{})
			from, to, slots := w.nodes[0], w.nodes[2], ranged(0, 40)
			want := w.fill(from, slots, 5)
			w.stuck(from, true)
			w.must(from, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", 0, job.last, "NODE", w.id(w.nodes[job.to]))
			m := w.mover()
			seen := watch(m, func(cmd string, v any, err error) (any, error) {
				if cmd == "CANCELSLOTMIGRATIONS" {
					w.stuck(from, false)
				}
				return v, err
			})
			if err := m.move(t.Context(), moves("n0", "n2", slots)); err != nil {
				t.Fatal(err)
			}
			w.holds(to, slots, want)
			if !w.look().Node("n0").Slots.Has(50) || seen.of("CANCELSLOTMIGRATIONS") != 1 || seen.of("MIGRATESLOTS") != 1 || seen.of("MIGRATE") > 0 {
				t.Errorf("it sent %v, and n0 has %s", seen.counts, w.look().Node("n0").Slots)
			}
		})
	}
}

// A move that is told to stop ends what the servers do for it: a job that went on
// would hand slots over when nobody expects it any more.
func TestAMoveThatIsStoppedEndsItsJob(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	from, to, slots := w.nodes[0], w.nodes[2], ranged(0, 40)
	want := w.fill(from, slots, 5)
	w.stuck(from, true)
	ctx, stop := context.WithCancel(t.Context())
	var stopped time.Time
	m := w.mover()
	watch(m, func(cmd string, v any, err error) (any, error) {
		if cmd == "GETSLOTMIGRATIONS" && stopped.IsZero() && len(w.sending(from)) > 0 {
			stopped = time.Now()
			stop()
		}
		return v, err
	})
	err := m.move(ctx, moves("n0", "n2", slots))
	took := time.Since(stopped)
	if !errors.Is(err, context.Canceled) || stopped.IsZero() || took > 3*time.Second { // a second, on a machine that has nothing else to do
		t.Errorf("it ended with %v, %s after it was stopped", err, took)
	}
	if left := w.sending(from); len(left) > 0 {
		t.Errorf("n0 still sends %+v", left)
	}
	if left := slots.Minus(w.look().Node("n0").Slots); !left.Empty() {
		t.Errorf("n0 does not own %s any more", left)
	}
	w.stuck(from, false)
	w.finish("n0", "n2", slots)
	w.holds(to, slots, want)
}

// No source waits for another one: here no job ends before both have begun.
func TestAllSourcesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	low, high := ranged(0, 40), ranged(16000, 16040)
	want := w.fill(w.nodes[0], low, 5)
	for key, value := range w.fill(w.nodes[1], high, 5) {
		want[key] = value
	}
	for _, p := range w.nodes[:2] {
		w.stuck(p, true)
	}
	freed := make(chan bool)
	go func() {
		both := livetest.Eventually(30*time.Second, func() bool { return len(w.sending(w.nodes[0])) > 0 && len(w.sending(w.nodes[1])) > 0 })
		for _, p := range w.nodes[:2] {
			w.do(p, "DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 0)
		}
		freed <- both
	}()
	m := w.mover()
	seen := watch(m, nil)
	err := m.move(t.Context(), append(moves("n0", "n2", low), moves("n1", "n2", high)...))
	if !<-freed {
		t.Error("one source waited for the other")
	}
	if err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], low.Union(high), want)
	if seen.of("MIGRATESLOTS") != 2 || seen.of("MIGRATE") > 0 {
		t.Errorf("it sent %v", seen.counts)
	}
}

// A server forks once at a time: its job waits until a save has ended, and the
// move with it.
func TestAJobThatWaitsForASaveIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	from, slots := w.nodes[0], ranged(0, 40)
	want := w.fill(from, slots, 5)
	w.must(from, "CONFIG", "SET", "rdb-key-save-delay", 10_000) // 2 s
	w.must(from, "BGSAVE")
	w.must(from, "CONFIG", "SET", "rdb-key-save-delay", 0)
	m := w.mover()
	saving := false
	seen := watch(m, func(cmd string, v any, err error) (any, error) {
		if cmd == "MIGRATESLOTS" {
			saving = strings.Contains(fmt.Sprint(w.do(from, "INFO", "persistence")), "rdb_bgsave_in_progress:1")
		}
		return v, err
	})
	if err := m.move(t.Context(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
	if !saving || seen.of("MIGRATESLOTS") != 1 || seen.of("MIGRATE") > 0 {
		t.Errorf("n0 saved then: %v; it sent %v", saving, seen.counts)
	}
}

// What clients or persons do at a source makes its job fail: it is begun again
// after a while, and what is there then moves.
func TestAJobThatFailsIsBegunAgainAfterAWhile(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	from, slots := w.nodes[0], ranged(0, 40)
	w.fill(from, slots, 5)
	w.stuck(from, true)
	m := w.mover()
	var begun []time.Time
	var after map[string]string
	seen := watch(m, func(cmd string, v any, err error) (any, error) {
		if cmd != "MIGRATESLOTS" {
			return v, err
		}
		if begun = append(begun, time.Now()); len(begun) == 1 {
			w.until("the job sends", func() bool {
				return slices.ContainsFunc(w.sending(from), func(j job) bool { return j.state == "replicating" || j.state == "waiting-to-pause" })
			})
			w.must(from, "FLUSHALL")
			w.stuck(from, false)
			after = w.fill(from, ranged(7, 9), 3)
		}
		return v, err
	})
	if err := m.move(t.Context(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, after)
	if len(begun) != 2 || begun[1].Sub(begun[0]) < time.Second || seen.of("MIGRATE") > 0 {
		t.Errorf("it began at %v and sent %v", begun, seen.counts)
	}
	if n := w.do(w.nodes[2], "DBSIZE"); n != int64(len(after)) {
		t.Errorf("n2 holds %v keys, %d were written after the flush", n, len(after))
	}
}

// What the source's user may not do at the target is found out by the job. The
// keys go one by one, by the login of the topology.
func TestASourceWhoseUserMayNotImportMovesKeyByKey(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	from, slots := w.nodes[0], ranged(0, 40)
	want := w.fill(from, slots, 5)
	w.must(w.nodes[2], "ACL", "SETUSER", "mover", "on", ">secret", "~*", "&*", "+@all", "-select", "-cluster|syncslots")
	w.must(from, "CONFIG", "SET", "primaryuser", "mover", "primaryauth", "secret")
	m := w.mover()
	seen := watch(m, nil)
	if err := m.move(t.Context(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
	if seen.of("MIGRATESLOTS") != 1 || seen.of("MIGRATE") == 0 || !strings.Contains(strings.Join(seen.texts, "; "), "NOPERM") {
		t.Errorf("it sent %v and said %q", seen.counts, seen.texts)
	}
}
