package live

import (
	"testing"

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
