package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// ailing is a cluster with something of everything.
func ailing(t *testing.T) cluster.State {
	node := func(name, zone, slotsText, master string) cluster.Node {
		n := cluster.Node{
			Name: name, ID: "id-" + name, Addr: name + ".test:6379", Host: name, Zone: zone,
			Listed: true, Exists: true, Member: true, Ready: true, Keys: 83_354,
		}
		n.Slots = slots(t, slotsText)
		if master != "" {
			n.Master, n.Linked = "id-"+master, true
		}
		return n
	}
	a, b, c := node("a", "x", "0-5460", ""), node("b", "y", "5461-10922", ""), node("c", "z", "10923-16380", "")
	d, e, f := node("d", "x", "", "b"), node("e", "y", "", "a"), node("f", "z", "", "a")
	b.Health, b.Trouble, b.Keys = cluster.Silent, "dial tcp: i/o timeout", cluster.Unknown
	d.Linked, e.Lag, f.Health, f.Lag = false, 1_500_000, cluster.Loading, cluster.Unknown
	spare := cluster.Node{Name: "g", Addr: "g.test:6379", Listed: true, Exists: true}
	return cluster.State{
		Formed: true, Nodes: []cluster.Node{a, b, c, d, e, f, spare},
		Open:  []cluster.Open{{Slot: 7, At: "a", Peer: "c"}, {Slot: 9, At: "c", Peer: "a", Importing: true, Stray: 12}},
		Split: []string{"c sees slot 9 at b"},
	}
}

func TestStatusPrintsForPeopleAndPrograms(t *testing.T) {
	held := reconcile.Result{Cluster: "orders", Observed: true, Seen: ailing(t)}
	held.Plan.Holds = []plan.Hold{{Why: plan.Wait, Code: plan.NodeSilent}}
	grows := reconcile.Result{Cluster: "grows", Observed: true, Seen: cluster.State{Formed: true}}
	for _, name := range []string{"a", "new", "spare", "leaving", "stranger", "foreign"} {
		n := cluster.Node{Name: name, ID: "id-" + name, Addr: name + ".test:6379", Exists: true, Ready: true}
		n.Listed, n.Before = name != "leaving" && name != "stranger", name == "leaving"
		n.Member, n.Foreign = n.Before || name == "a", name == "foreign"
		if name == "a" {
			n.Slots = slots(t, "0-16383")
		}
		if name == "new" {
			n.Health, n.Exists = cluster.Absent, false
		}
		grows.Seen.Nodes = append(grows.Seen.Nodes, n)
	}
	grows.Plan.Goal.Shards = []plan.Shard{{Leader: "a", Replicas: []string{"new"}}}
	grows.Plan.Steps = []plan.Step{{Kind: plan.Start, Node: "new"}}
	all := []status{
		statusOf(held, true), statusOf(grows, true),
		statusOf(reconcile.Result{Cluster: "lost", Err: errors.New("list pods: forbidden")}, true),
	}
	var text, machine bytes.Buffer
	if err := errors.Join(statusesText(&text, false, all), writeJSON(&machine, all)); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.txt", text.String())
	golden(t, "status.json", machine.String())
}

func TestHealthIsJudgedByWhoServes(t *testing.T) {
	well := func() cluster.State {
		s := ailing(t)
		s.Open, s.Split = nil, nil
		for i := range s.Nodes {
			n := &s.Nodes[i]
			n.Health, n.Linked, n.Trouble = cluster.Up, n.Master != "", ""
			n.Addr = cmp.Or(n.Addr, n.Name+":6379")
		}
		s.Nodes[2].Slots = slots(t, "10923-16383")
		return s
	}
	for _, c := range []struct {
		name   string
		change func(*cluster.State)
		want   health
	}{
		{"all is well", func(*cluster.State) {}, healthy},
		{"a replica is behind a broken link", func(s *cluster.State) { s.Nodes[3].Linked = false }, degraded},
		{"a replica is gone", func(s *cluster.State) { s.Nodes[3].Health = cluster.Failed }, degraded},
		{"a master does not answer us", func(s *cluster.State) { s.Nodes[1].Health = cluster.Silent }, degraded},
		{"nobody knows where a master is", func(s *cluster.State) { s.Nodes[1].Health, s.Nodes[1].Addr = cluster.Silent, "" }, down},
		{"a master has failed", func(s *cluster.State) { s.Nodes[1].Health = cluster.Failed }, down},
		{"a master is loading", func(s *cluster.State) { s.Nodes[1].Health = cluster.Loading }, down},
		{"a slot is nobody's", func(s *cluster.State) { s.Nodes[1].Slots.Remove(5461) }, down},
		{"members disagree", func(s *cluster.State) { s.Split = []string{"x"} }, degraded},
		{"nobody answers", func(s *cluster.State) {
			for i := range s.Nodes {
				s.Nodes[i].Health = cluster.Silent
			}
		}, untold},
		{"nothing was started", func(s *cluster.State) {
			s.Formed = false
			for i := range s.Nodes {
				s.Nodes[i] = cluster.Node{Name: s.Nodes[i].Name, Listed: true, Health: cluster.Absent}
			}
		}, down},
	} {
		s := well()
		c.change(&s)
		if got := statusOf(reconcile.Result{Observed: true, Seen: s}, false); got.Health != c.want {
			t.Errorf("%s: %s, want %s; problems %q", c.name, got.Health, c.want, got.Problems)
		}
	}
}

func TestAClusterThatIsToBeAbsentIsWellWhenItIsGone(t *testing.T) {
	gone := surveyed{want: spec.Topology{State: spec.Absent}, result: reconcile.Result{Observed: true}}
	gone.result.Seen.Nodes = []cluster.Node{{Name: "a", Listed: true, Health: cluster.Absent}}
	if all, code, well := judged([]surveyed{gone}, true); !well || code != exitOK || all[0].Health != "Absent" || len(all[0].Problems) > 0 {
		t.Errorf("well %v, exit code %d, %+v", well, code, all)
	}
	gone.result.Plan.Steps = []plan.Step{{Kind: plan.Destroy, Node: "a"}}
	if _, _, well := judged([]surveyed{gone}, true); well {
		t.Error("well although a node is to be destroyed still")
	}
}

func TestStatusWaitsForAsLongAsThereIsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := sit(t)
		orders, carts := d.file("orders", 3, 3), d.file("carts", 3, 3)
		seen := make(chan int)
		waits := &desk{t: t, world: d.world, dir: d.dir}
		go func() { seen <- waits.types("", "status", "--wait", "--timeout", "20s", orders, carts) }()
		for _, file := range []string{orders, carts} {
			time.Sleep(15*time.Second + time.Millisecond)
			d.expects(0, d.types("yes\n", "apply", file))
		}
		if code := <-seen; code != 0 {
			t.Errorf("exit code %d after progress within the timeout\n%s", code, &waits.out)
		}
	})
}

func TestStatusWaitsUntilAllIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := sit(t)
		file := d.file("orders", 3, 3)
		begun := time.Now()
		d.expects(3, d.types("", "status", "--wait", "--timeout", "20s", file), "not in sync")
		if took := time.Since(begun); took < 19*time.Second || took > 20*time.Second {
			t.Errorf("waited %s", took)
		}
		d.expects(0, d.types("yes\n", "apply", file))
		d.expects(0, d.types("", "status", "--wait", file), "orders: Healthy, in sync, 16384 of 16384")
	})
}

// A dead run may leave hundreds of slots open at many nodes.
func TestAStatusStaysShort(t *testing.T) {
	seen := cluster.State{Formed: true}
	for i := range 300 {
		name := fmt.Sprintf("n%d", i)
		seen.Nodes = append(seen.Nodes, cluster.Node{Name: name, ID: "id-" + name, Member: true, Listed: true, Health: cluster.Silent})
	}
	seen.Nodes[0].Health, seen.Nodes[0].Ready, seen.Nodes[0].Slots = cluster.Up, true, slots(t, "0-16383")
	for s := range 1000 {
		seen.Open = append(seen.Open, cluster.Open{Slot: s, At: "n0", Peer: "n1"}, cluster.Open{Slot: s, At: "n1", Peer: "n0", Importing: true})
	}
	seen.Open = append(seen.Open, cluster.Open{Slot: 2000, At: "n1", Peer: "n0", Importing: true, Stray: 3}, cluster.Open{Slot: 2002, At: "n1", Peer: "n0", Importing: true, Stray: 4})
	s := statusOf(reconcile.Result{Cluster: "orders", Observed: true, Seen: seen}, true)
	if len(s.OpenSlots) != 3 || s.OpenSlots[0].Slots != slots(t, "0-999") || s.OpenSlots[0].Count != 1000 || s.OpenSlots[2].Keys != 7 {
		t.Errorf("open slots are %+v", s.OpenSlots)
	}
	if n := len(s.Problems); n != 51 || s.Problems[50] != "and 252 more" { // 299 silent nodes and 3 ways of open slots
		t.Errorf("%d problems, the last %q", n, s.Problems[n-1])
	}
	var told []string
	for _, o := range s.OpenSlots {
		told = append(told, o.String())
	}
	for i, want := range []string{
		"1000 slots (0-999) are half moved: n0 is migrating them, the other end is n1",
		"1000 slots (0-999) are half moved: n1 is importing them, the other end is n0",
		"n1 holds 7 keys of 2 slots (2000,2002), which are not its own: no client finds them",
	} {
		if told[i] != want {
			t.Errorf("told %q, want %q", told[i], want)
		}
	}
}
