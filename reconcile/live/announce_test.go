package live

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// A node that tells others a wrong address is listed by them for a moment. No
// slot may get an owner that nobody reaches.
func TestANodeThatAnnouncesAWrongAddressIsHeld(t *testing.T) {
	servers := fleet(t, 3, 0)
	c := open(t, inventoryOf(servers...), Access{})
	wrong := servers[1]
	_, port, _ := net.SplitHostPort(wrong.addr)
	announced := net.JoinHostPort("127.68.99.9", port) // nothing listens there
	command(t, c, wrong.addr, "CONFIG", "SET", "cluster-announce-ip", "127.68.99.9")
	want := spec.Topology{Name: "orders", Masters: 3, ZoneSpread: spec.Off}
	stage := func() []plan.Step {
		t.Helper()
		p := plan.Make(want, observe(t, c))
		return p.First()
	}
	first := stage()
	err := c.Do(t.Context(), observe(t, c), first, nil)
	var held plan.Held
	if !errors.As(err, &held) || held.Hold.Code != plan.WrongAddress || held.Hold.Node != wrong.name || !strings.Contains(held.Hold.Text, announced) {
		t.Fatalf("%v: %v", first, err)
	}
	for _, s := range stage() {
		if s.Kind != plan.Meet {
			t.Errorf("next is %s", s.Kind)
		}
	}
	command(t, c, wrong.addr, "CONFIG", "SET", "cluster-announce-ip", "")
	if !livetest.Eventually(time.Minute, func() bool { // it may still be shaking hands with those that were to meet it
		err = c.Do(t.Context(), observe(t, c), stage(), nil)
		return err == nil
	}) {
		t.Fatal(err)
	}
	var next []plan.Step // once all have heard where it is: one of them may tell of the wrong address a last time
	if !livetest.Eventually(time.Minute, func() bool {
		next = stage()
		return len(next) == 3 && next[0].Kind == plan.Assign
	}) {
		t.Errorf("next is %+v", next)
	}
}

// Whom a node is to get to know has a made-up ID until it has answered, and passed for
// a member of another cluster.
func TestANodeThatIsBeingIntroducedIsNotTakenForOneOfAnotherCluster(t *testing.T) {
	servers := fleet(t, 3, 0)
	c := open(t, inventoryOf(servers...), Access{})
	command(t, c, servers[1].addr, "CLUSTER", "MEET", "127.68.99.9", 7000) // nothing listens there
	stage := plan.Make(spec.Topology{Name: "orders", Masters: 3, ZoneSpread: spec.Off}, observe(t, c)).First()
	err := c.Do(t.Context(), observe(t, c), stage, nil)
	if err == nil || !strings.Contains(err.Error(), "meet "+servers[1].name+": it is being introduced") {
		t.Errorf("%v: %v", stage, err)
	}
}
