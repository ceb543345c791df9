//go:build e2e

package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A server is replaced by another one, under a new name or under its own: the
// new one copies the data, takes over where the old one led, and the old one is
// forgotten. No slot moves, no acknowledged write is lost, and the server that
// left holds nothing of the cluster any more.
func TestAReplacedNodeMovesNoSlot(t *testing.T) {
	const keys = 20_000
	b := newBench(t, livetest.Options{Servers: 10})
	zones := abc(10)
	nodes := first(6)
	names := map[int]string{}
	b.apply(b.write("create.yaml", shape{masters: 3, replicas: 1, nodes: nodes, zones: zones}))
	b.fleet.Write(t, keys, 32)
	traffic := b.fleet.Traffic(3, time.Millisecond)

	for _, swap := range []struct {
		name     string
		master   bool // who leaves
		sameName bool
	}{
		{"a replica by another name", false, false},
		{"a master by another name", true, false},
		{"a replica, name kept", false, true},
		{"a master, name kept", true, true},
	} {
		old, fresh := b.leaver(nodes, swap.master), b.newcomer(nodes, len(names))
		zones[fresh] = zones[old]
		nodes = slices.Clone(nodes)
		nodes[slices.Index(nodes, old)] = fresh
		if names[fresh] = b.fleet.Servers[fresh].Name; swap.sameName {
			names[fresh] = b.fleet.Servers[old].Name
			if was := names[old]; was != "" {
				names[fresh] = was
			}
		}
		file := b.write(swap.name+".yaml", shape{masters: 3, replicas: 1, nodes: nodes, zones: zones, names: names})
		b.replaced(t, swap.name, file, swap.master, nodes, old)
	}
	kept(t, traffic.Stop())
	b.fleet.Read(t, keys, 32)
}

// leaver is the first of nodes that leads, or that follows.
func (b *bench) leaver(nodes []int, leads bool) int {
	b.t.Helper()
	masters := b.masters(nodes[0])
	for _, i := range nodes {
		if slices.Contains(masters, b.fleet.Servers[i].Name) == leads {
			return i
		}
	}
	b.t.Fatalf("nobody to replace among %v", nodes)
	return 0
}

// newcomer is the k-th server that was never listed.
func (b *bench) newcomer(nodes []int, k int) int { return len(nodes) + k }

func (b *bench) replaced(t *testing.T, what, file string, master bool, nodes []int, old int) {
	t.Helper()
	promotions := 0
	if master {
		promotions = 1
	}
	p := b.plan(file)
	if p.Summary.MoveSlots != 0 || p.Summary.Promote != promotions || p.Summary.Follow != 1 || p.count("Meet") != 1 || p.count("Forget") != 1 {
		t.Fatalf("%s: want Meet, Follow, %d promotions, Forget and no slot moved, got %+v, held by %+v", what, promotions, p.Steps, p.Holds)
	}
	b.apply(file)
	b.fleet.Check(t)
	known := b.members(nodes[0])
	if len(known) != len(nodes) {
		t.Errorf("%s: %d nodes are known, want %d: %v", what, len(known), len(nodes), known)
	}
	for _, i := range nodes {
		if m, ok := known[b.fleet.Servers[i].Name]; !ok || strings.Contains(m.flags, "fail") {
			t.Errorf("%s: %s is %+v", what, b.fleet.Servers[i].Name, m)
		}
	}
	left := b.fleet.Servers[old]
	if n := len(b.members(old)); n != 1 {
		t.Errorf("%s: %s, which left, knows %d nodes", what, left.Name, n)
	}
	if n := b.fleet.Client(left).DBSize(context.Background()).Val(); n != 0 {
		t.Errorf("%s: %s, which left, holds %d keys", what, left.Name, n)
	}
	t.Logf("%s: reached", what)
}

// Without replicas nobody else has the data: the new server must copy it before
// the old one may go.
func TestAMasterWithoutReplicasIsReplacedByACopy(t *testing.T) {
	const keys = 10_000
	b := newBench(t, livetest.Options{Servers: 5})
	b.apply(b.write("create.yaml", shape{masters: 3, nodes: first(3)}))
	b.fleet.Write(t, keys, 32)
	traffic := b.fleet.Traffic(2, time.Millisecond)
	b.replaced(t, "by another name", b.write("new.yaml", shape{masters: 3, nodes: []int{3, 1, 2}}), true, []int{3, 1, 2}, 0)
	same := shape{masters: 3, nodes: []int{3, 4, 2}, names: map[int]string{4: "n1"}}
	b.replaced(t, "name kept", b.write("same.yaml", same), true, same.nodes, 1)
	kept(t, traffic.Stop())
	b.fleet.Read(t, keys, 32)
}
