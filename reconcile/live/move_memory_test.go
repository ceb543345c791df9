package live

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// saysConn answers every command with one text.
type saysConn struct{ text string }

func (c *saysConn) Do(context.Context, ...any) (any, error) { return c.text, nil }
func (c *saysConn) Pipe(_ context.Context, cmds [][]any) []Reply {
	return make([]Reply, len(cmds))
}
func (c *saysConn) Close() error { return nil }

// What bounds a target is the same as before the move: maxmemory, its container or
// its machine.
func TestATargetIsFullByTheLeastOfItsBounds(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for _, c := range []struct {
		name           string
		max, limit     int64
		used, rss      int64
		system, before int64 // used before, 0 when it did not grow
		full           string
	}{
		{"no bound at all", 0, 0, 90, 95, 0, 0, ""},
		{"maxmemory has room", 100, 0, 90, 150, 200, 0, ""},
		{"maxmemory is reached", 100, 0, 100, 150, 200, 0, "of maxmemory"},
		{"maxmemory will be reached", 100, 0, 90, 150, 200, 80, "of maxmemory"},
		{"the container has room", 0, 100, 80, 90, 200, 0, ""},
		{"the container's limit is reached", 0, 100, 80, 100, 200, 0, "of its container's limit"},
		{"the container's limit is less than maxmemory", 300, 100, 80, 100, 200, 0, "of its container's limit"},
		{"the machine has room", 0, 0, 80, 90, 100, 0, ""},
		{"the machine is full", 0, 0, 80, 100, 100, 0, "of memory of the machine"},
		{"the machine will be full", 0, 0, 80, 90, 100, 80, "of memory of the machine"},
	} {
		conn := &saysConn{fmt.Sprintf("used_memory:%d\r\nused_memory_rss:%d\r\ntotal_system_memory:%d\r\nmaxmemory:%d\r\n",
			c.used*mb, c.rss*mb, c.system*mb, c.max*mb)}
		m := &memory{name: "n2", limit: c.limit * mb, conn: conn, used: c.before * mb}
		if err := m.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := m.err(); (err != nil) != (c.full != "") || err != nil && !strings.Contains(err.Error(), c.full) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A pod without maxmemory is killed where its container's limit is, by what the
// machine gives it.
func TestATargetWithoutMaxmemoryStopsTheMoveAtItsContainersLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	slots := ranged(0, 20)
	want := w.fill(w.nodes[0], slots, 20)
	info, err := cluster.ParseInfo(fmt.Sprint(w.must(w.nodes[2], "INFO", "memory")))
	if err != nil || info.Memory.Used >= info.Memory.RSS-1<<20 {
		t.Fatalf("%+v, %v", info.Memory, err)
	}
	m := w.mover()
	m.seen.Nodes[2].Memory.Limit = info.Memory.RSS - 1<<20
	err = m.move(t.Context(), moves("n0", "n2", slots))
	if err == nil || !strings.Contains(err.Error(), "n2 is full") || !strings.Contains(err.Error(), "its container's limit") {
		t.Errorf("got %v", err)
	}
	w.finish("n0", "n2", slots)
	w.holds(w.nodes[2], slots, want)
}
