package live

import (
	"context"
	"strings"
	"sync"
	"testing"
)

// A person has the replica of the source take over without asking anybody, in
// the very moment in which the slots are to be handed over. The replica takes
// writes from then on. Whoever of the two owned the slots in the end, the other
// one would drop what it holds, so they are not handed over.
func TestSlotsOfAMasterThatWasJustReplacedAreNotHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	heir := w.follow(w.nodes[0], "r0")
	slots := ranged(3, 5)
	want := w.fill(w.nodes[0], slots, 20)
	written := "{" + tagOf(4) + "}written at the heir"
	var sent, over sync.Once
	migrated := false
	m := w.mover()
	m.dial = func(addr string) Conn {
		return watchConn{w.dial(addr), func(cmd string) {
			if cmd == "MIGRATE" {
				sent.Do(func() { migrated = true })
			}
			if cmd != "CLUSTER INFO" || !migrated {
				return
			}
			over.Do(func() {
				w.until("the heir leads", func() bool {
					w.do(heir, "CLUSTER", "FAILOVER", "TAKEOVER")
					return strings.Contains(w.must(heir, "INFO", "replication").(string), "role:master")
				})
				w.until("it takes a write", func() bool { return w.do(heir, "SET", written, "new") == "OK" })
				want[written] = "new"
			})
		}}
	}
	err := m.move(context.Background(), moves("n0", "n2", slots))
	if want[written] != "" && (err == nil || !strings.Contains(err.Error(), "r0 has taken the place of n0")) {
		t.Errorf("error %v does not say that n0 was replaced", err)
	}
	// Where the servers hand slots over by themselves no run can be late.
	if wrote := want[written] != ""; wrote == valkey(w.look().Node("n0"), 9) {
		t.Errorf("the heir took a write: %v", wrote)
	}
	w.agreed()
	leads, _ := w.lead("n0", "r0")
	w.finish(leads.name, "n2", slots)
	w.holds(w.nodes[2], slots, want)
}
