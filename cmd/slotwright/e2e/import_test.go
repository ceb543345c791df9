//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// imported writes the file of the cluster of server i.
func (b *bench) imported(i int, name string, more ...string) string {
	b.t.Helper()
	o := b.must(0, append([]string{"import", b.fleet.Servers[i].Addr, "--name", name}, more...)...)
	path := filepath.Join(b.dir, name+".yaml")
	if err := os.WriteFile(path, []byte(o.stdout), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// A cluster that redis-cli made is imported as it is: in zones that cross, in
// zones that don't, with uneven slots, with masters that crowd one zone, asked
// at a master or a replica. Each time the plan of the file is empty, and to
// import changes nothing.
func TestThePlanOfAnImportedFileIsEmpty(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 6})
	b.createdByCLI(1)
	crossed, stacked, crowded := b.zoneFlags()
	for _, c := range []struct {
		name  string
		at    int
		zones []string
		rule  string
	}{
		{"hosts", 0, nil, "zoneSpread"},
		{"crossed", 1, crossed, "zone: a"},
		{"stacked", 3, stacked, "zone: b"},
		{"crowded", 5, crowded, "failback: false"},
	} {
		b.untouched(first(6), func() {
			file := b.imported(c.at, c.name, c.zones...)
			b.settled(file)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			mentions(t, string(text), c.rule, "masters: 3", "replicasPerMaster: 1", b.fleet.Servers[4].Addr)
		})
	}

	b.uneven()
	b.untouched(first(6), func() {
		b.settled(b.imported(2, "uneven"))
	})
	even := b.write("even.yaml", shape{masters: 3, replicas: 1, nodes: first(6)})
	if p := b.plan(even); p.Summary.MoveSlots != 1000 {
		t.Errorf("the slots were not uneven: %+v", p.Summary)
	}
}

// zoneFlags are --zone flags under which the layout crosses zones, stands with
// each shard in one zone, and has two masters in one.
func (b *bench) zoneFlags() (crossed, stacked, crowded []string) {
	b.t.Helper()
	masters, followed := b.masters(0), b.followed(0)
	for i, s := range b.fleet.Servers {
		master := s.Name
		if followed[master] != "" {
			master = followed[master]
		}
		k, leads := slices.Index(masters, master), master == s.Name
		zone := func(k int) string { return "--zone=" + b.fleet.Servers[i].Addr + "=" + "abc"[k%3:k%3+1] }
		stacked = append(stacked, zone(k))
		switch {
		case leads:
			crossed, crowded = append(crossed, zone(k)), append(crowded, zone(k/2))
		default:
			crossed, crowded = append(crossed, zone(k+1)), append(crowded, zone(k/2+1))
		}
	}
	return crossed, stacked, crowded
}

// uneven has redis-cli move 1000 slots between two masters.
func (b *bench) uneven() {
	b.t.Helper()
	known, masters := b.members(0), b.masters(0)
	if _, err := b.fleet.CLI("--cluster", "reshard", b.fleet.Servers[0].Addr, "--cluster-from", known[masters[0]].id,
		"--cluster-to", known[masters[1]].id, "--cluster-slots", "1000", "--cluster-yes"); err != nil {
		b.t.Fatal(err)
	}
	b.fleet.Check(b.t)
}

// Asked for by a name, a cluster whose nodes announce names is imported by
// names, and every other one by addresses, never by some of both.
func TestAClusterIsImportedByNamesOrByAddresses(t *testing.T) {
	for want, config := range map[string]map[string]string{
		"127.0.0.1:": nil,
		"localhost:": {"cluster-announce-hostname": "localhost"},
	} {
		t.Run(want, func(t *testing.T) {
			b := newBench(t, livetest.Options{Servers: 3, Host: "127.0.0.1", Port: 20600 + os.Getpid()%100*20, Config: config})
			b.apply(b.write("orders.yaml", shape{masters: 3, nodes: first(3)}))
			_, port, _ := strings.Cut(b.fleet.Servers[1].Addr, ":")
			o := b.must(0, "import", "localhost:"+port, "--name", "orders")
			if n := strings.Count(o.stdout, want); n != 3 {
				t.Errorf("%d nodes are at %s\n%s", n, want, o.stdout)
			}
		})
	}
}
