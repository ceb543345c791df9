//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// apart demands that no member of a shard stands in the zone of another one.
func (b *bench) apart(zones []string) {
	b.t.Helper()
	zone := map[string]string{}
	for i, s := range b.fleet.Servers {
		zone[s.Name] = zones[i]
	}
	used := map[string]string{} // shard and zone to the member there
	for _, name := range b.masters(0) {
		used[name+zone[name]] = name
	}
	for replica, master := range b.followed(0) {
		at := master + zone[replica]
		if other := used[at]; other != "" {
			b.t.Errorf("%s and %s of one shard both stand in zone %s", other, replica, zone[replica])
		}
		used[at] = replica
	}
}

// The order in which servers are listed puts masters and replicas of one shard
// into one zone when taken as it is: the first three as masters, the others as
// their replicas in that order or the reverse.
func TestNoOrderOfNodesPutsAMasterBesideItsReplica(t *testing.T) {
	for _, order := range []string{"abcabc", "abccba", "aabbcc"} {
		t.Run(order, func(t *testing.T) {
			b := newBench(t, livetest.Options{Servers: 6})
			zones := strings.Split(order, "")
			file := b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6), zones: zones})
			b.apply(file)
			b.fleet.Check(t)
			b.apart(zones)
			if n := len(b.masters(0)); n != 3 {
				t.Errorf("%d masters", n)
			}
			if n := len(b.followed(0)); n != 3 {
				t.Errorf("%d replicas", n)
			}
			masterZones := map[string]bool{}
			for i, s := range b.fleet.Servers {
				if b.members(0)[s.Name].slots > 0 {
					masterZones[zones[i]] = true
				}
			}
			if len(masterZones) != 3 {
				t.Errorf("the masters stand in %d of 3 zones", len(masterZones))
			}
		})
	}
}

// A cluster whose every shard stands in one zone alone is brought in order with
// one re-sync for each shard, one after the other, so that at most one shard at
// a time is without a replica.
func TestShardsThatStandInOneZoneAreCrossedOneByOne(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 6})
	b.createdByCLI(1)
	b.fleet.Write(t, 5000, 32)
	zones := make([]string, 6)
	zoneOf := map[string]string{}
	for k, master := range b.masters(0) {
		zoneOf[master] = "abc"[k : k+1]
	}
	for replica, master := range b.followed(0) {
		zoneOf[replica] = zoneOf[master]
	}
	for i, s := range b.fleet.Servers {
		zones[i] = zoneOf[s.Name]
	}
	masters := strings.Join(b.masters(0), " ")
	traffic := b.fleet.Traffic(2, time.Millisecond)

	file := b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6), zones: zones})
	p := b.plan(file)
	if len(p.Steps) != 3 || p.count("Follow") != 3 || p.Summary.Promote != 0 || p.Summary.MoveSlots != 0 {
		t.Fatalf("want 3 Follows and nothing else, got %+v", p.Steps)
	}
	for i, s := range p.Steps {
		if s.Stage != p.Steps[0].Stage+i {
			t.Errorf("the steps are not one after the other: %+v", p.Steps)
		}
	}
	b.apply(file)

	kept(t, traffic.Stop())
	b.fleet.Check(t)
	b.apart(zones)
	if now := strings.Join(b.masters(0), " "); now != masters {
		t.Errorf("the masters were %s and are %s", masters, now)
	}
	b.fleet.Read(t, 5000, 32)
}
