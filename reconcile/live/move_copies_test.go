//go:build engines

package live

import (
	"net"
	"testing"
)

// Valkey 9 has several databases, each with keys of a slot. A copy is deleted in its
// own.
func TestCopiesAreDeletedInTheirOwnDatabase(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{}, "--cluster-databases", "16")
	const s, db = 7, 3
	source, to := w.nodes[0], w.nodes[2]
	host, port, _ := net.SplitHostPort(to.addr)
	keys := tagged(tagOf(s), 2)
	p := w.mover().gather()
	t.Cleanup(p.letGo)
	way, err := p.pair(t.Context(), "n0", "n2")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range way.from.pipe(t.Context(), db, slack, [][]any{{"SET", keys[0], "v"}, {"SET", keys[1], "v"}}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if _, err := way.open(t.Context(), []int{s}); err != nil {
		t.Fatal(err)
	}
	e, err := way.emptying(t.Context(), []int{s})
	if err != nil {
		t.Fatal(err)
	}
	copied := way.from.pipe(t.Context(), db, slack, [][]any{{"MIGRATE", host, port, "", db, 5000, "COPY", "KEYS", keys[0], keys[1]}})[0]
	if n := w.counted(way.to, s); copied.Err != nil || n != 2 {
		t.Fatalf("n2 has %d copies, %v", n, copied.Err)
	}
	w.asking(to, "SET", keys[0], "in database 0") // no copy of anything
	e.doubts = []doubt{{batch{slot: s, keys: keys}, db}}
	e.clear(t.Context())
	if n := w.counted(way.to, s); n != 1 || w.must(source, "CLUSTER", "COUNTKEYSINSLOT", s) != int64(0) {
		t.Errorf("n2 has %d keys, not the one of database 0", n)
	}
	if n := w.counted(way.from, s); n != 2 {
		t.Errorf("n0 has %d keys", n)
	}
}

// The last count before slots are handed over is of every database, and leaves the
// connection where it was.
func TestTheLastCountIsOfEveryDatabase(t *testing.T) {
	t.Parallel()
	w := newAtomicWorld(t, Login{}, "--cluster-databases", "16")
	const s, db = 7, 3
	p := w.mover().gather()
	t.Cleanup(p.letGo)
	source, err := p.reach(t.Context(), "n0")
	if err != nil {
		t.Fatal(err)
	}
	keys := tagged(tagOf(s), 3)
	w.must(w.nodes[0], "SET", keys[0], "v")
	for _, r := range source.pipe(t.Context(), db, slack, [][]any{{"SET", keys[1], "v"}, {"SET", keys[2], "v"}}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	self, counts, err := source.firmCount(t.Context(), []int{s, s + 1})
	if err != nil || self.ID != source.id || counts[0] != 3 || counts[1] != 0 {
		t.Errorf("%v holds %d keys, %v", self, counts, err)
	}
	if n, err := source.ask(t.Context(), "DBSIZE"); err != nil || n != int64(1) {
		t.Errorf("the connection is in a database of %v keys, %v", n, err)
	}
}

// counted is how many keys of a slot an end holds in all databases.
func (w *world) counted(e *end, slot int) int64 {
	w.t.Helper()
	n, err := e.count(w.t.Context(), []int{slot})
	if err != nil {
		w.t.Fatal(err)
	}
	return n[0]
}
