//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A master dies, its replica is elected, the node comes back as a replica. While
// it is away nothing is promoted, only waited for. Afterwards masters stand
// where they stood if failback is wanted, and stay where they are if not.
func TestMastersReturnAfterAFailoverOnlyWhereFailbackIsWanted(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 6})
	zones := abc(6)
	with := shape{masters: 3, replicas: 1, nodes: first(6), zones: zones}
	without := with
	without.more = "  failback: false\n"
	wanted, unwanted := b.write("failback.yaml", with), b.write("stay.yaml", without)
	b.apply(wanted)
	b.fleet.Write(t, 2000, 32)
	before := b.masters(0)
	dead := before[len(before)-1]
	i := b.index(dead)
	witness := (i + 1) % 6
	traffic := b.fleet.Traffic(2, time.Millisecond)

	b.fleet.Kill(i)
	b.onlyWaits(wanted, dead)
	b.until("the replica of "+dead+" leads", func() bool { return b.members(witness)[dead].slots == 0 })
	b.onlyWaits(wanted, dead)
	b.onlyWaits(unwanted, dead)
	o := b.must(3, "apply", wanted, "--auto-approve", "--timeout", "3s")
	mentions(t, o.stdout+o.stderr, "NodeSilent", dead, "NoProgress")
	between := strings.Join(b.masters(witness), " ")

	b.fleet.Again(i)
	b.until(dead+" follows and is in sync", func() bool { return b.linked(i) })
	b.until("everybody agrees", func() bool { return b.run("plan", unwanted, "--detailed-exitcode").code == 0 })
	if p := b.plan(wanted); p.Summary.Promote != 1 || len(p.Steps) != 1 {
		t.Errorf("want one promotion, got %+v, held by %+v", p.Steps, p.Holds)
	}
	b.apply(unwanted)
	if now := strings.Join(b.masters(witness), " "); now != between {
		t.Errorf("without failback the masters were %s and are %s", between, now)
	}
	b.apply(wanted)
	if now, was := strings.Join(b.masters(witness), " "), strings.Join(before, " "); now != was {
		t.Errorf("with failback the masters were %s and are %s", was, now)
	}
	b.fleet.Check(t)
	traffic.Stop() // a failover may lose what was not replicated yet
	b.fleet.Read(t, 2000, 32)
}

// onlyWaits demands a plan without steps that waits for a silent node.
func (b *bench) onlyWaits(file, node string) {
	b.t.Helper()
	p := b.plan(file)
	if len(p.Steps) != 0 || p.State != "Held" {
		b.t.Errorf("want nothing but waiting for %s, got %s %+v", node, p.State, p.Steps)
	}
	for _, h := range p.Holds {
		if h.Code == "NodeSilent" && h.Node == node && h.Why == "Wait" && h.Lift != "" {
			return
		}
	}
	b.t.Errorf("nothing waits for %s: %+v", node, p.Holds)
}

// index is where a server stands in the fleet.
func (b *bench) index(name string) int {
	b.t.Helper()
	for i, s := range b.fleet.Servers {
		if s.Name == name {
			return i
		}
	}
	b.t.Fatalf("no server %s", name)
	return 0
}
