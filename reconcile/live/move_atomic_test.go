//go:build engines

package live

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// newAtomicWorld is two masters and a blank member of Valkey 9.1.
func newAtomicWorld(t *testing.T, login Login, extra ...string) *world {
	t.Helper()
	return newValkeyWorld(t, "9.1", login, extra...)
}

// newValkeyWorld is the same of another version.
func newValkeyWorld(t *testing.T, version string, login Login, extra ...string) *world {
	t.Helper()
	server, err := filepath.Abs("../../.engines/valkey-" + version + "/bin/valkey-server")
	if err == nil {
		_, err = os.Stat(server)
	}
	if err != nil {
		t.Fatalf("make engines unpacks it: %v", err)
	}
	w := &world{t: t, server: server, login: login, extra: extra}
	w.form(2, 1)
	return w
}

// commands are what a mover has sent, counted by name, and what it reported.
type commands struct {
	mu     sync.Mutex
	counts map[string]int
	texts  []string // of reports
	bytes  []int64  // of reports, before the slots arrived
}

func (s *commands) of(cmd string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[cmd]
}

// watch has a mover's commands counted and its reports kept. The reply of every
// command goes through answer, where there is one.
func watch(m *mover, answer func(cmd string, v any, err error) (any, error)) *commands {
	s := &commands{counts: map[string]int{}}
	dial := m.dial
	m.dial = func(addr string) Conn { return atomicConn{dial(addr), s, answer} }
	m.report = func(p plan.Progress) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.texts = append(s.texts, p.Text)
		if p.Done == 0 {
			s.bytes = append(s.bytes, p.Bytes)
		}
	}
	return s
}

type atomicConn struct {
	Conn
	seen   *commands
	answer func(string, any, error) (any, error)
}

func (c atomicConn) Do(ctx context.Context, args ...any) (any, error) {
	cmd := fmt.Sprint(args[min(1, len(args)-1)])
	c.seen.mu.Lock()
	c.seen.counts[cmd]++
	c.seen.mu.Unlock()
	v, err := c.Conn.Do(ctx, args...)
	if c.answer != nil {
		return c.answer(cmd, v, err)
	}
	return v, err
}

func (c atomicConn) Pipe(ctx context.Context, cmds [][]any) []Reply {
	c.seen.mu.Lock()
	for _, cmd := range cmds {
		c.seen.counts[fmt.Sprint(cmd[0])]++
	}
	c.seen.mu.Unlock()
	return c.Conn.Pipe(ctx, cmds)
}

func TestAnAtomicMoveThatTakesLongTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	slots := ranged(0, 99)
	want := w.fill(w.nodes[0], slots, 30)
	w.must(w.nodes[0], "CONFIG", "SET", "rdb-key-save-delay", 1000) // 3 s
	m := w.mover()
	seen := watch(m, nil)
	if err := m.move(context.Background(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
	if seen.of("MIGRATE") > 0 {
		t.Error("keys went one by one")
	}
	if bytes := slices.Compact(seen.bytes); len(bytes) < 2 || !slices.IsSorted(bytes) {
		t.Errorf("it told of %v bytes before the slots arrived", seen.bytes)
	}
}

// Valkey 9.1 aborts when it is sent a slot of which it holds a key.
func TestALeftOverAtTheTargetKeepsASlotFromMigrating(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	from, to := w.nodes[0], w.nodes[2]
	w.fill(from, ranged(0, 9), 3)
	w.leaveOver(from, to, 5, tagged(tagOf(5), 4)[3])
	m := w.mover()
	seen := watch(m, nil)
	err := m.move(t.Context(), moves("n0", "n2", ranged(0, 9)))
	if err == nil || !strings.Contains(err.Error(), "n2 holds 1 keys of slot 5") || seen.of("MIGRATESLOTS") > 0 {
		t.Errorf("got %v, it sent %v", err, seen.counts)
	}
	if left := ranged(0, 9).Minus(w.look().Node("n0").Slots); !left.Empty() || w.do(to, "PING") != "PONG" {
		t.Errorf("n0 does not own %s any more, or n2 is down", left)
	}
}

// A job that was cancelled in the middle leaves keys at its target for a moment.
func TestWhatACancelledJobLeavesAtTheTargetIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	from, to := w.nodes[0], w.nodes[2]
	slots := ranged(0, 40)
	want := w.fill(from, slots, 5)
	w.must(from, "DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1) // no job ends by itself
	w.must(from, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", 0, 40, "NODE", w.id(to))
	w.until("keys have arrived", func() bool { return w.do(to, "CLUSTER", "COUNTKEYSINSLOT", 40) == int64(5) })
	w.must(from, "CLUSTER", "CANCELSLOTMIGRATIONS")
	w.must(from, "DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 0)
	m := w.mover()
	seen := watch(m, nil)
	if err := m.move(t.Context(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(to, slots, want)
	if seen.of("MIGRATESLOTS") != 1 || seen.of("MIGRATE") > 0 {
		t.Errorf("it sent %v", seen.counts)
	}
}

func TestASourceWithoutALoginForItsTargetMovesKeyByKey(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{Password: "secret"}, "--requirepass", "secret")
	slots := ranged(0, 40)
	want := w.fill(w.nodes[0], slots, 5)
	m := w.mover()
	seen := watch(m, nil)
	if err := m.move(context.Background(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
	if seen.of("MIGRATESLOTS") > 0 || seen.of("MIGRATE") == 0 {
		t.Errorf("it sent %v", seen.counts)
	}
	if text := strings.Join(seen.texts, "; "); !strings.Contains(text, "n0 has no primaryauth") || strings.Contains(text, "secret") {
		t.Errorf("it said %q", text)
	}
}

func TestASourceWithAWrongLoginMovesKeyByKeyAtOnce(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{Password: "secret"}, "--requirepass", "secret", "--primaryauth", "another")
	slots := ranged(0, 40)
	want := w.fill(w.nodes[0], slots, 5)
	m := w.mover()
	seen := watch(m, nil)
	if err := m.move(context.Background(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
	if seen.of("MIGRATESLOTS") != 1 || seen.of("MIGRATE") == 0 {
		t.Errorf("it sent %v and said %q", seen.counts, seen.texts)
	}
}

func TestAModuleThatForbidsAtomicMigrationHasKeysMovedOneByOne(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	slots := ranged(0, 40)
	want := w.fill(w.nodes[0], slots, 5)
	m := w.mover()
	m.dial = refusing(m.dial, "MIGRATESLOTS", "ERR The module search does not support atomic slot migrations.")
	seen := watch(m, nil)
	if err := m.move(context.Background(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
	if seen.of("MIGRATESLOTS") != 1 || !strings.Contains(strings.Join(seen.texts, "; "), "The module search") {
		t.Errorf("it sent %v and said %q", seen.counts, seen.texts)
	}
}

// refusing answers a subcommand with an error and does not send it.
func refusing(dial Dial, cmd, text string) Dial {
	return func(addr string) Conn { return refusingConn{dial(addr), cmd, text} }
}

type refusingConn struct {
	Conn
	cmd, text string
}

func (c refusingConn) Do(ctx context.Context, args ...any) (any, error) {
	if len(args) > 1 && args[1] == c.cmd {
		return nil, ServerError(c.text)
	}
	return c.Conn.Do(ctx, args...)
}

func TestJobsThatSomebodyCancelsAgainAndAgainGiveWayToMigrate(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	slots := ranged(0, 40)
	want := w.fill(w.nodes[0], slots, 5)
	w.must(w.nodes[0], "DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1) // no job ends by itself
	m := w.mover()
	seen := watch(m, func(cmd string, v any, err error) (any, error) {
		if cmd == "MIGRATESLOTS" {
			w.until("a job is cancelled", func() bool { return w.do(w.nodes[0], "CLUSTER", "CANCELSLOTMIGRATIONS") == "OK" })
		}
		return v, err
	})
	if err := m.move(context.Background(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
	if seen.of("MIGRATESLOTS") != sendings || seen.of("MIGRATE") == 0 {
		t.Errorf("it sent %v", seen.counts)
	}
}

func TestAJobThatSaysFailedAndHasMovedItsSlotsIsDone(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	slots := ranged(0, 40)
	want := w.fill(w.nodes[0], slots, 5)
	m := w.mover()
	seen := watch(m, func(cmd string, v any, err error) (any, error) {
		if jobs, ok := v.([]any); ok && cmd == "GETSLOTMIGRATIONS" {
			for _, j := range jobs {
				if words, _ := j.([]any); slices.Contains(words, any("success")) {
					words[slices.Index(words, any("success"))] = "failed"
				}
			}
		}
		return v, err
	})
	begun := time.Now()
	if err := m.move(context.Background(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
	if seen.of("MIGRATESLOTS") != 1 || seen.of("MIGRATE") > 0 {
		t.Errorf("after %s: it sent %v", time.Since(begun), seen.counts)
	}
}

// A source that gave way to its replica says that it owns no slot. None has moved
// for that.
func TestASourceThatIsFailedOverInTheMiddleOfAJobHasMovedNothing(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{})
	slots := ranged(0, 40)
	want := w.fill(w.nodes[0], slots, 5)
	heir := w.heir(w.nodes[0], "r0")
	w.must(w.nodes[0], "DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1) // no job ends by itself
	m := w.mover()
	watch(m, func(cmd string, v any, err error) (any, error) {
		if cmd == "MIGRATESLOTS" {
			w.must(heir, "CLUSTER", "FAILOVER", "FORCE")
			w.until("n0 follows r0", func() bool { return w.look().Node("n0").Master != "" })
		}
		return v, err
	})
	done := 0
	m.report = func(p plan.Progress) { done = p.Done }
	err := m.move(t.Context(), moves("n0", "n2", slots))
	if err == nil || !strings.Contains(err.Error(), "n0 is a replica now") || done > 0 {
		t.Errorf("%d slots have moved, it says, and: %v", done, err)
	}
	w.agreed()
	if left := slots.Minus(w.look().Node("r0").Slots); !left.Empty() || len(w.look().Open) > 0 {
		t.Errorf("r0 does not own %s, or slots are open: %v", left, w.look().Open)
	}
	w.finish("r0", "n2", slots)
	w.holds(w.nodes[2], slots, want)
}
