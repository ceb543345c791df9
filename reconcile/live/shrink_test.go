package live

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

func TestAReplicaTakesOverAndTheOldMasterFollowsIt(t *testing.T) {
	servers := fleet(t, 3, 3)
	c := open(t, inventoryOf(servers...), Access{})
	before := create(t, c, 3, 3)
	seen := do(t, c, plan.Step{Kind: plan.Promote, Node: "r1", From: "m1"})
	m, r := seen.Node("m1"), seen.Node("r1")
	if r.Master != "" || r.Slots != even(1, 3) || m.Master != r.ID || m.Slots != (slot.Set{}) {
		t.Errorf("r1 follows %q with slots %v, m1 follows %q", r.Master, r.Slots, m.Master)
	}
	if len(seen.Split) > 0 {
		t.Errorf("members disagree after the step: %q", seen.Split)
	}
	if before.Node("m0").Epoch != seen.Node("m0").Epoch {
		t.Error("another shard was touched")
	}
}

func TestAMasterWithAHalfMovedSlotIsNotReplaced(t *testing.T) {
	servers := fleet(t, 2, 1)
	c := open(t, inventoryOf(servers...), Access{})
	seen := create(t, c, 2, 1)
	command(t, c, servers[0].addr, "CLUSTER", "SETSLOT", 5, "MIGRATING", seen.Node("m1").ID)
	err := try(t, c, plan.Step{Kind: plan.Promote, Node: "r0", From: "m0"})
	if err == nil || !strings.Contains(err.Error(), "half moved") {
		t.Errorf("got %v", err)
	}
}

func TestForgottenNodesAreBlankAndUnknownToAll(t *testing.T) {
	c := open(t, inventoryOf(fleet(t, 3, 1, "spare")...), Access{})
	old := create(t, c, 3, 1)
	do(t, c, plan.Step{Kind: plan.Meet, Node: "spare"})
	seen := do(t, c, plan.Step{Kind: plan.Forget, Node: "r0"}, plan.Step{Kind: plan.Forget, Node: "spare"})
	for _, name := range []string{"r0", "spare"} {
		n := seen.Node(name)
		if n.Member || !n.Alone || n.Keys != 0 || n.Epoch != 0 {
			t.Errorf("%s is not blank: %+v", name, n)
		}
		if before := old.Node(name); n.ID == before.ID {
			t.Errorf("%s kept its ID", name)
		}
	}
	if left := seen.Unserved(); left != (slot.Set{}) {
		t.Errorf("slots %v have no owner", left)
	}
}

func TestANodeThatLeftHasBackWhatWasSwitchedOnIt(t *testing.T) {
	servers := fleet(t, 3, 1)
	c := open(t, inventoryOf(servers...), Access{})
	create(t, c, 3, 1)
	do(t, c, plan.Step{Kind: plan.Forget, Node: "r0"})
	for _, s := range servers {
		borrowed := asPairs(command(t, c, s.addr, "CONFIG", "GET", allowMigration))[allowMigration] == "no"
		if left := s.name == "r0"; borrowed == left {
			t.Errorf("%s: replica migration switched off: %v", s.name, borrowed)
		}
	}
}

func TestANodeThatLeavesTheFileIsKnownByNameUntilItHasLeft(t *testing.T) {
	servers := fleet(t, 2, 1)
	platform := inventoryOf(servers...)
	c := open(t, platform, Access{})
	create(t, c, 2, 1)
	do(t, c, plan.Step{Kind: plan.Configure, Node: "m0"}) // an acting run remembers who is listed
	platform.unlist("r0")
	if n := node(t, c, "r0"); n == nil || n.Listed || !n.Before || !n.Member {
		t.Fatalf("r0: %+v", n)
	}
	if seen := do(t, c, plan.Step{Kind: plan.Forget, Node: "r0"}); seen.Node("r0") != nil {
		t.Errorf("r0 is still seen: %+v", seen.Node("r0"))
	}
}

func TestNothingThatHoldsSlotsKeysOrFollowersIsForgotten(t *testing.T) {
	servers := fleet(t, 3, 1, "lone")
	c := open(t, inventoryOf(servers...), Access{})
	create(t, c, 3, 1)
	do(t, c, plan.Step{Kind: plan.Meet, Node: "lone"})
	lose := func(name, why string) {
		t.Helper()
		err := try(t, c, plan.Step{Kind: plan.Forget, Node: name})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("forget %s: %v, want %q", name, err, why)
		}
		if n := node(t, c, name); !n.Member || len(n.UnknownAt) > 0 {
			t.Errorf("%s was forgotten all the same: %+v", name, *n)
		}
	}
	lose("m0", "owns slots")
	servers[1].pause()
	lose("lone", "m1") // a silent member's word is missing
	servers[1].resume()
}

// A master that was started again writes a history of its own, and what it has
// of the old one nobody can tell: its replica stays while its link is down.
func TestAReplicaOfAnotherHistoryIsNotForgotten(t *testing.T) {
	servers := fleet(t, 3, 1)
	c := open(t, inventoryOf(servers...), Access{})
	create(t, c, 3, 1)
	m, r := servers[0], servers[3]
	if !livetest.Eventually(time.Minute, func() bool { return node(t, c, "m0").Ready && node(t, c, "r0").Linked }) {
		t.Fatal("the cluster does not serve")
	}
	command(t, c, m.addr, "SET", "t3", "v") // slot 685, of m0
	if !livetest.Eventually(time.Minute, func() bool { return command(t, c, r.addr, "DBSIZE") == int64(1) }) {
		t.Fatal("the replica has no key")
	}
	command(t, c, r.addr, "CONFIG", "SET", "masterauth", "wrong", "cluster-replica-no-failover", "yes")
	m.kill()
	m.fleet.Again(m.index)
	if !livetest.Eventually(time.Minute, func() bool { return node(t, c, "m0").Ready && node(t, c, "r0").Unproven }) {
		t.Fatalf("seen: %+v", node(t, c, "r0"))
	}
	var held plan.Held
	if err := try(t, c, plan.Step{Kind: plan.Forget, Node: "r0"}); !errors.As(err, &held) || held.Code != plan.OnlyCopy {
		t.Errorf("got %v", err)
	}
	if n := node(t, c, "r0"); n.Keys != 1 || !n.Member {
		t.Errorf("r0: %+v", n)
	}
}

func node(t testing.TB, c *Cluster, name string) *cluster.Node {
	t.Helper()
	seen := observe(t, c)
	return seen.Node(name)
}
