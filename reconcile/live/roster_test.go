package live

import (
	"testing"

	"github.com/slotwright/slotwright/spec"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// A name that was given to another server is remembered for both. The place is
// hinted the node at its address, and the other one keeps its identity.
func TestANameThatTwoNodesHadMeansTheOneAtTheAddress(t *testing.T) {
	seats := roster{
		"old":   {Name: "n1", Addr: "10.0.0.1:6379"},
		"fresh": {Name: "n1", Addr: "10.0.0.9:6379"},
	}
	for addr, want := range map[string]string{"10.0.0.1:6379": "old", "10.0.0.9:6379": "fresh"} {
		places := []cluster.Place{{Name: "n1", Addr: addr, Listed: true}}
		if seats.hint(places); places[0].ID != want {
			t.Errorf("n1 at %s is hinted to be %q, want %q", addr, places[0].ID, want)
		}
	}
	left := seats.place("old", "10.0.0.1:6379", map[string]bool{"n1": true})
	if left.ID != "old" || left.Name != "10.0.0.1:6379" {
		t.Errorf("the one that left is %+v", left)
	}
	if stranger := seats.place("other", "10.0.0.5:6379", map[string]bool{}); stranger.ID != "" {
		t.Errorf("one that was never listed is %+v", stranger)
	}
}

// moved is the cluster of an inventory with the memory of another one's runs.
func moved(t testing.TB, from *Cluster, to *inventory) *Cluster {
	t.Helper()
	if err := from.Remember(observe(t, from)); err != nil {
		t.Fatal(err)
	}
	c := New(spec.Topology{Name: "orders"}, to, Options{State: from.state})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A file in which every address changed at once is about the cluster that
// lives at the old ones. Nothing of it is silently left behind.
func TestAClusterWhoseAddressesAllChangedInTheFileIsFoundWhereItWas(t *testing.T) {
	old := open(t, inventoryOf(fleet(t, 3, 0)...), Access{})
	create(t, old, 3, 0)
	seen := observe(t, moved(t, old, inventoryOf(fleet(t, 3, 0)...)))
	if !seen.Formed {
		t.Fatal("the old cluster was not seen")
	}
	members := 0
	for _, n := range seen.Nodes {
		switch {
		case n.Member && (n.Listed || !n.Before || n.Slots.Empty()):
			t.Errorf("%s is no former member with slots: %+v", n.Name, n)
		case n.Member:
			members++
		case !n.Listed:
			t.Errorf("%s is neither listed nor a member", n.Name)
		}
	}
	if members != 3 {
		t.Errorf("%d members, want the 3 of before", members)
	}
}

// A file that names the servers of another cluster does not take that one over.
func TestAnotherClusterThatAFileNamesIsForeign(t *testing.T) {
	users := open(t, inventoryOf(fleet(t, 3, 0)...), Access{})
	create(t, users, 3, 0)
	others := inventoryOf(fleet(t, 4, 0)...)
	create(t, open(t, others, Access{}), 4, 0)
	seen := observe(t, moved(t, users, others))
	for _, n := range seen.Nodes {
		if n.Listed != n.Foreign || n.Member == n.Listed {
			t.Errorf("%s: listed %v, foreign %v, member %v", n.Name, n.Listed, n.Foreign, n.Member)
		}
	}
}
