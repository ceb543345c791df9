package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slotwright/slotwright/spec/slot"
)

const library = "#!lua name=mine\nredis.register_function('answer', function() return 42 end)"

func TestANewMasterGetsTheFunctionsOfItsSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	w.must(w.nodes[0], "FUNCTION", "LOAD", library)
	if err := w.mover().move(context.Background(), moves("n0", "n2", ranged(0, 3))); err != nil {
		t.Fatal(err)
	}
	if got := w.do(w.nodes[2], "FCALL", "answer", 1, "{"+tagOf(0)+"}k"); got != int64(42) {
		t.Errorf("the function answers %v at its new place", got)
	}
}

func TestANewMasterWithOtherFunctionsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	w.must(w.nodes[0], "FUNCTION", "LOAD", library)
	w.must(w.nodes[2], "FUNCTION", "LOAD", strings.Replace(library, "42", "43", 1))
	err := w.mover().move(context.Background(), moves("n0", "n2", ranged(0, 3)))
	if err == nil || !strings.Contains(err.Error(), "functions that differ") {
		t.Fatalf("error %v does not speak of the functions", err)
	}
	if got := w.look().Node("n2").Slots; !got.Empty() {
		t.Errorf("slots %s moved all the same", got)
	}
}

func TestALoginWithoutFunctionsMovesWhereThereAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	want := w.fill(w.nodes[0], ranged(0, 3), 2)
	for _, p := range w.nodes {
		w.must(p, "ACL", "SETUSER", "default", "-function")
	}
	w.must(w.nodes[0], "ACL", "SETUSER", "default", "+function|load")
	w.must(w.nodes[0], "FUNCTION", "LOAD", library)
	err := w.mover().move(context.Background(), moves("n0", "n2", ranged(0, 3)))
	if err == nil || !strings.Contains(err.Error(), "n0") || !strings.Contains(err.Error(), "allow the login FUNCTION LIST") {
		t.Fatalf("error %v does not say which right is missing at n0", err)
	}
	if got := w.look().Node("n2").Slots; !got.Empty() {
		t.Errorf("slots %s moved all the same", got)
	}
	w.must(w.nodes[0], "ACL", "SETUSER", "default", "+function|delete")
	w.must(w.nodes[0], "FUNCTION", "DELETE", "mine")
	if err := w.mover().move(context.Background(), moves("n0", "n2", ranged(0, 3))); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], ranged(0, 3), want)
}

// A source that may not send, or takes no writes, is told apart from a target that
// refuses what it gets.
func TestASourceThatRefusesToSendIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	w.byKey()
	slots := ranged(0, 20)
	want := w.fill(w.nodes[0], slots, 3)
	for _, c := range []struct {
		set, back []any
		lift      string
	}{
		{[]any{"ACL", "SETUSER", "default", "-migrate"}, []any{"ACL", "SETUSER", "default", "+migrate"}, "NOPERM"},
		{[]any{"ACL", "SETUSER", "default", "resetkeys", "%R~*"}, []any{"ACL", "SETUSER", "default", "allkeys"}, "all keys (~*) at n0"},
		{[]any{"CONFIG", "SET", "min-replicas-to-write", 1}, []any{"CONFIG", "SET", "min-replicas-to-write", 0}, "min-replicas-to-write"},
	} {
		w.must(w.nodes[0], c.set...)
		err := w.mover().move(t.Context(), moves("n0", "n2", slots))
		if text := fmt.Sprint(err); !strings.Contains(text, "n0 refuses to send keys to n2") || !strings.Contains(text, c.lift) || strings.Contains(text, "n2 must") {
			t.Errorf("%v: the error is %v", c.set, err)
		}
		if open := w.look().Open; len(open) > 0 {
			t.Errorf("%v: slots are left open: %v", c.set, open)
		}
		w.must(w.nodes[0], c.back...)
	}
	w.finish("n0", "n2", slots)
	w.holds(w.nodes[2], slots, want)
}

func TestWhatRefusesEverySlotIsSaidOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	w.byKey()
	slots := ranged(0, 20)
	want := w.fill(w.nodes[0], slots, 3)
	w.must(w.nodes[2], "ACL", "SETUSER", "default", "-restore-asking")
	err := w.mover().move(context.Background(), moves("n0", "n2", slots))
	if text := fmt.Sprint(err); strings.Count(text, "NOPERM") != 1 || !strings.Contains(text, "n2 must accept the login") || !strings.Contains(text, "+restore-asking ~*") {
		t.Fatalf("error %v does not say once what n2 refuses and what lifts it", err)
	}
	w.must(w.nodes[2], "ACL", "SETUSER", "default", "+restore-asking")
	w.finish("n0", "n2", slots)
	w.holds(w.nodes[2], slots, want)
}

func TestATargetThatLosesSightOfAnOwnerInMidMoveIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	w.byKey()
	slots := ranged(0, 5)
	want := w.fill(w.nodes[0], slots, 10)
	m, blind := w.mover(), sync.Once{}
	m.dial = func(addr string) Conn {
		return watchConn{w.dial(addr), func(cmd string) {
			if cmd == "MIGRATE" { // a slot without an owner makes it say cluster_state:fail
				blind.Do(func() { w.must(w.nodes[2], "CLUSTER", "DELSLOTS", slot.Count-1) })
			}
		}}
	}
	if err := m.move(context.Background(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
}

func TestAKeyThatWouldOutlastTheNodeTimeoutStaysWhereItIs(t *testing.T) {
	w := &pair{from: &end{name: "n0", pace: newPace(testBudget)}, to: &end{name: "n2"}, timeout: 1500e6}
	huge := []batch{{slot: 7, keys: []string{"huge"}, bytes: []int64{1 << 30}}}
	if err := w.heavy(huge); err == nil || !strings.Contains(err.Error(), `slot 7: key "huge" of 1024 MB`) {
		t.Errorf("error %v does not name the key and its size", err)
	}
	big := []batch{{slot: 7, keys: []string{"big"}, bytes: []int64{20 << 20}}}
	if err := w.heavy(big); err != nil || w.text.Load() == nil || !strings.Contains(*w.text.Load(), "20 MB") {
		t.Errorf("a key above the budget: error %v, text %v", err, w.text.Load())
	}
}

func TestPortionsHaveFewKeysAndManyEmptySlots(t *testing.T) {
	slots := slices.Collect(ranged(0, 309).Each())
	counts := make([]int64, len(slots))
	for i := range 50 {
		counts[i] = 100
	}
	counts[20] = 5000
	var got []string
	for _, p := range portion(slots, counts, 1500) {
		got = append(got, fmt.Sprintf("%d-%d", p[0], p[len(p)-1]))
	}
	if want := "0-14 15-19 20-20 21-35 36-163 164-291 292-309"; strings.Join(got, " ") != want {
		t.Errorf("portions %v, not %s", got, want)
	}
	for budget, want := range map[time.Duration]int64{time.Millisecond: 1000, 5 * time.Millisecond: 2500, time.Second: 8000} {
		if got := worth(budget); got != want {
			t.Errorf("%d keys with a budget of %s, not %d", got, budget, want)
		}
	}
}

func TestABurstTakesWhatThereIsRoomForAndABigKeyAlone(t *testing.T) {
	todo := []batch{
		{slot: 1, keys: []string{"a", "b", "c"}, bytes: []int64{0, 0, 0}},
		{slot: 2, keys: []string{"big", "d"}, bytes: []int64{1 << 20, 0}},
	}
	for i, want := range []string{"a b", "c", "big", "d"} {
		var now []batch
		now, todo = slice(todo, 2*weight(0), 4)
		var got []string
		for _, b := range now {
			got = append(got, b.keys...)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("burst %d is %v, not %s", i, got, want)
		}
	}
	if len(todo) != 0 {
		t.Errorf("%v is left", todo)
	}
	short := func() batch { return batch{keys: []string{"a", "b"}, bytes: []int64{0, 0}} }
	if now, _ := slice([]batch{short(), short()}, 3*weight(0), 4); len(now) != 1 {
		t.Errorf("a burst of %v cuts a slot for which the next one has room", now)
	}
	now, rest := slice(slices.Repeat([]batch{{keys: []string{"a"}, bytes: []int64{0}}}, 5), 1e9, 4)
	if len(now) != 4 || len(rest) != 1 {
		t.Errorf("a burst of %d slots, and %d left", len(now), len(rest))
	}
}

// A server does nothing else while it carries out a burst. One whose target does
// not answer must be back before the others fail it over.
func TestABurstIsOverBeforeTheNodeTimeout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		timeout, together int // ms, and MIGRATEs of a burst
	}{{1000, 4}, {2000, 4}, {4500, 9}, {15000, 16}} {
		t.Run(fmt.Sprint(c.timeout), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, 1, "--cluster-node-timeout", fmt.Sprint(c.timeout))
			slots := ranged(0, 20)
			want := w.fill(w.nodes[0], slots, 3)
			m := w.mover()
			var mu sync.Mutex
			longest, most := int64(0), 0
			m.dial = func(addr string) Conn {
				return orderConn{w.dial(addr), func(cmds [][]any) {
					sum, n := int64(0), 0
					for _, cmd := range cmds {
						if cmd[0] == "MIGRATE" {
							sum, n = sum+cmd[5].(int64), n+1
						}
					}
					mu.Lock()
					defer mu.Unlock()
					longest, most = max(longest, sum), max(most, n)
				}}
			}
			if err := m.move(context.Background(), moves("n0", "n2", slots)); err != nil {
				t.Fatal(err)
			}
			byKey := !valkey(m.seen.Node("n0"), 9)
			if longest > int64(c.timeout)*3/4 || byKey && most != c.together {
				t.Errorf("a burst of up to %d MIGRATEs may take %d ms, with a node timeout of %d", most, longest, c.timeout)
			}
			w.holds(w.nodes[2], slots, want)
		})
	}
}
