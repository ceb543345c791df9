package plan

import (
	"fmt"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

// A cluster is in sync when nobody sends clients to where a node no longer is.
func TestMembersThatSendClientsElsewhereAreWaitedFor(t *testing.T) {
	want, now := spec.Topology{Name: "orders", Masters: 3, ZoneSpread: spec.Off}, cluster.State{Formed: true, Served: true}
	for i := range 3 {
		n := cluster.Node{Name: fmt.Sprintf("n%d", i), ID: fmt.Sprintf("id%d", i), Addr: fmt.Sprintf("10.0.0.%d:6379", i)}
		n.Listed, n.Exists, n.Member, n.Ready = true, true, true, true
		n.Slots.AddRange(i*slot.Count/3, (i+1)*slot.Count/3-1)
		now.Nodes = append(now.Nodes, n)
	}
	if p := Make(want, now); len(p.Steps)+len(p.Holds) > 0 {
		t.Fatalf("at rest there are %+v %+v", p.Steps, p.Holds)
	}
	now.Nodes[1].Announced, now.Nodes[1].Misled = "10.0.0.1:6379", []string{"n2"}
	p := Make(want, now)
	if len(p.Steps) > 0 || len(p.Holds) != 1 || p.Holds[0].Why != Wait || p.Holds[0].Code != ViewsDisagree || p.Holds[0].Node != "n1" {
		t.Errorf("there are %+v %+v", p.Steps, p.Holds)
	}
}

// Slots get an owner once all members reach each other. A node that nobody
// reaches where it announces itself is told by name and address.
func TestNoSlotGetsAnOwnerThatNobodyReaches(t *testing.T) {
	made := func(announced string, unreached ...string) cluster.State {
		s := cluster.State{Formed: true}
		for i := range 3 {
			n := cluster.Node{Name: fmt.Sprintf("n%d", i), ID: fmt.Sprintf("id%d", i), Addr: fmt.Sprintf("10.0.0.%d:6379", i), Host: fmt.Sprintf("10.0.0.%d", i)}
			n.Listed, n.Exists, n.Member, n.Ready = true, true, true, true
			s.Nodes = append(s.Nodes, n)
		}
		s.Nodes[1].Announced, s.Nodes[1].Unreached = announced, unreached
		return s
	}
	want := spec.Topology{Name: "orders", Masters: 3, ZoneSpread: spec.Off}
	for name, c := range map[string]struct {
		seen    cluster.State
		assigns bool
		code    Code
	}{
		"all reach each other":                      {made(""), true, ""},
		"all reach it at what it announces":         {made("192.168.0.1:6379"), true, ""},
		"one does not reach it":                     {made("", "n2"), false, ViewsDisagree},
		"nobody reaches it at what it announces":    {made("192.168.0.1:6379", "n0", "n2"), false, WrongAddress},
		"nobody reaches it, where the file says so": {made("10.0.0.1:6379", "n0", "n2"), false, ViewsDisagree},
	} {
		p := Make(want, c.seen)
		if got := len(p.Steps) == 3 && p.Steps[0].Kind == Assign; got != c.assigns {
			t.Errorf("%s: the steps are %+v", name, p.Steps)
		}
		held := c.code == ""
		for _, h := range p.Holds {
			held = held || h.Code == c.code && h.Node == "n1"
		}
		if !held {
			t.Errorf("%s: held by %+v, want %s", name, p.Holds, c.code)
		}
	}
}
