package live

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// finding is a world whose slots 3 and 4 go from n0 to n2, and the way.
func finding(t *testing.T, extra ...string) (*world, *pair) {
	t.Helper()
	w := newWorld(t, 2, 1, extra...)
	for s := range ranged(3, 4).Each() {
		w.migrating(s, w.nodes[0], w.nodes[2])
	}
	p := w.mover().gather()
	t.Cleanup(p.letGo)
	from, err := p.reach(t.Context(), "n0")
	if err != nil {
		t.Fatal(err)
	}
	return w, &pair{party: p, from: from}
}

// What is found weighs what the server says of each key by itself. A key that has
// expired is listed as long as the server has not dropped it, and it is no key any
// more: the source would send clients to the target for it.
func TestKeysWeighWhatTheServerSaysAndExpiredOnesNothing(t *testing.T) {
	t.Parallel()
	w, p := finding(t)
	from := w.nodes[0]
	w.must(from, "DEBUG", "SET-ACTIVE-EXPIRE", 0)
	w.must(from, "CLUSTER", "SETSLOT", 3, "STABLE") // or it takes no new keys
	small, large, gone := "{"+tagOf(3)+"}small", "{"+tagOf(3)+"}large", "{"+tagOf(3)+"}gone"
	w.must(from, "SET", small, "x")
	w.must(from, "SET", large, strings.Repeat("x", 100_000))
	w.must(from, "SET", gone, "x", "PX", 1)
	w.migrating(3, from, w.nodes[2])
	time.Sleep(10 * time.Millisecond) // the server's own time has to pass

	found, err := p.find(t.Context(), 0, []int{3, 4})
	if err != nil || len(found) != 1 || found[0].slot != 3 || len(found[0].keys) != 3 {
		t.Fatalf("found %v, error %v", found, err)
	}
	for i, key := range found[0].keys {
		want, _ := w.do(from, "MEMORY", "USAGE", key).(int64)
		if key == gone {
			want = 0
		}
		if found[0].bytes[i] != want {
			t.Errorf("%s weighs %d, not %d", key, found[0].bytes[i], want)
		}
	}
}

// A script that touches many long names keeps clients waiting, so that it leaves them
// alone. They are listed and weighed all the same, also where the slot is only imported.
func TestLongNamesAreListedWithoutAScript(t *testing.T) {
	t.Parallel()
	w, p := finding(t)
	w.must(w.nodes[0], "CLUSTER", "SETSLOT", 3, "STABLE")
	long := strings.Repeat("n", 60_000)
	for i := range 200 {
		w.must(w.nodes[0], "SET", fmt.Sprintf("{%s}%d%s", tagOf(3), i, long[:300*i]), "x")
	}
	var sent atomic.Int64
	p.from.conn = watchConn{p.from.conn, func(cmd string) {
		if cmd == "MEMORY" {
			sent.Add(1)
		}
	}}
	find := func(why string) batch {
		t.Helper()
		sent.Store(0)
		found, err := p.find(t.Context(), 0, []int{3, 4})
		if err != nil || len(found) != 1 || len(found[0].keys) != 200 || len(found[0].bytes) != 200 || sent.Load() == 0 {
			t.Fatalf("%s: found %d slots, %d commands weigh, error %v", why, len(found), sent.Load(), err)
		}
		return found[0]
	}
	b := find("a slot")
	for i, key := range b.keys {
		if want, _ := w.do(w.nodes[0], "MEMORY", "USAGE", key).(int64); b.bytes[i] != want || want == 0 {
			t.Errorf("%.20s... weighs %d, not %d", key, b.bytes[i], want)
		}
	}
	w.must(w.nodes[0], "CLUSTER", "DELSLOTS", 3)
	w.must(w.nodes[0], "CLUSTER", "SETSLOT", 3, "NODE", w.id(w.nodes[1]))
	find("a slot of somebody else")
}

// A slot is listed as far as one listing shows, and a login that may not list or weigh
// its keys is told which right is missing.
func TestAListingHasAnEndAndSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	w, p := finding(t)
	w.must(w.nodes[0], "CLUSTER", "SETSLOT", 3, "STABLE")
	w.fill(w.nodes[0], ranged(3, 3), p.from.listed()+100)
	found, err := p.find(t.Context(), 0, []int{3})
	if err != nil || len(found) != 1 || len(found[0].keys) != p.from.listed() {
		t.Fatalf("%d slots found, error %v", len(found), err)
	}
	for _, rules := range []string{"-eval_ro", "-cluster|getkeysinslot", "-memory|usage", "resetkeys ~app:*"} {
		for _, rule := range strings.Fields(rules) {
			w.must(w.nodes[0], "ACL", "SETUSER", "default", rule)
		}
		_, err = p.find(t.Context(), 0, []int{3})
		lacksRights(t, rules, err)
		w.must(w.nodes[0], "ACL", "SETUSER", "default", "allcommands", "allkeys")
	}
}

func lacksRights(t *testing.T, what string, err error) {
	t.Helper()
	const lift = "allow the login EVAL_RO, and CLUSTER and MEMORY in it, and all keys (~*)"
	if err == nil || !strings.Contains(err.Error(), "slot 3 at n0") || !strings.Contains(err.Error(), lift) {
		t.Errorf("%s: the error is %v", what, err)
	}
}

// So is one of a server from which a command was taken away.
func TestAListingSaysWhatWasTakenAway(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"EVAL_RO", "MEMORY"} {
		w, p := finding(t, "--rename-command", command, "")
		w.must(w.nodes[0], "CLUSTER", "SETSLOT", 3, "STABLE")
		w.fill(w.nodes[0], ranged(3, 3), 1)
		_, err := p.find(t.Context(), 0, []int{3})
		lacksRights(t, command, err)
	}
}

// An answer of another shape is no listing: keys that it leaves out would be left.
func TestAListingOfAnotherShapeIsAnError(t *testing.T) {
	t.Parallel()
	ok := Reply{Value: []any{[]any{"a"}, []any{int64(7)}}}
	if b, err := weighed(3, ok); err != nil || fmt.Sprint(b) != "{3 [a] [7]}" {
		t.Errorf("%v, error %v", b, err)
	}
	for _, r := range []Reply{
		{}, {Err: ServerError("ERR no")}, {Value: "OK"}, {Value: []any{[]any{"a"}}},
		{Value: []any{[]any{"a"}, []any{}}}, {Value: []any{[]any{nil}, []any{int64(7)}}}, {Value: []any{[]any{"a"}, []any{"7"}}},
	} {
		if b, err := weighed(3, r); err == nil {
			t.Errorf("%v passes for %v", r, b)
		}
	}
}
