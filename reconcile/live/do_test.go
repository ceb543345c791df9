package live

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// Who stops a run that moves slots waits for the look after it. What it was cut
// off in shows by marks, and no key has to be counted for that.
func TestARunThatIsStoppedDoesNotCountAllKeysAgain(t *testing.T) {
	servers := fleet(t, 2, 0)
	ctx, stop := context.WithCancel(t.Context())
	dial := Connect(Access{})
	c := New(spec.Topology{Name: "orders"}, inventoryOf(servers...), Options{State: t.TempDir(), Dial: func(addr string) Conn {
		return watchConn{dial(addr), func(cmd string) {
			if cmd == "MIGRATE" {
				stop()
			}
		}}
	}})
	t.Cleanup(func() { _ = c.Close() })
	seen := create(t, c, 2, 0)
	for until := time.Now().Add(time.Minute); !seen.Nodes[0].Ready || !seen.Nodes[1].Ready; seen = observe(t, c) {
		if time.Now().After(until) {
			t.Fatal("the masters do not serve")
		}
		time.Sleep(50 * time.Millisecond)
	}
	first := ranged(0, 200)
	for s := range first.Each() {
		for k := range 10 {
			command(t, c, servers[0].addr, "SET", fmt.Sprintf("{%s}%d", tagOf(s), k), "value")
		}
	}
	seen = observe(t, c)
	counted := c.counted
	if counted == "" {
		t.Fatal("the keys were not counted")
	}
	err := c.Do(ctx, seen, []plan.Step{{Kind: plan.Move, From: "m0", To: "m1", Slots: first}}, nil)
	if err == nil || ctx.Err() == nil {
		t.Fatalf("it was not cut off: %v", err)
	}
	if c.counted != counted {
		t.Error("all keys are counted again")
	}
}
