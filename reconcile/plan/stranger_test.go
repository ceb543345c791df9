package plan

import (
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

func TestAStrangersHoldSaysWhyItMayBeOne(t *testing.T) {
	for name, c := range map[string]struct {
		once, damaged string
		text, lift    string
	}{
		"nothing is known":        {"", "", "no topology names it, so no slots move", "list the node"},
		"the cluster was renamed": {"n7 of cluster shop", "", "an earlier run knew it as n7 of cluster shop", "give it the old one back"},
		"the memory is damaged":   {"", "read f: cut off", "can't be told: read f: cut off", "bring the list of members back"},
	} {
		d := draft{now: cluster.State{Unremembered: c.damaged, Nodes: []cluster.Node{{Name: "10.0.0.7:6379", Once: c.once}}}, have: []int{9}}
		h := d.strange(0)
		if !strings.Contains(h.Text, c.text) || !strings.Contains(h.Lift, c.lift) || !strings.HasPrefix(h.Text, "10.0.0.7:6379 serves 9 slots") {
			t.Errorf("%s: %q, %q", name, h.Text, h.Lift)
		}
	}
	notes := Remembered(&cluster.State{Unremembered: "read f: cut off", Former: []cluster.Former{{Name: "n7", Addr: "10.0.0.7:6379"}}})
	if len(notes) != 2 || !strings.Contains(notes[0], "read f: cut off") || !strings.HasPrefix(notes[1], "n7 was forgotten without a reset and runs at 10.0.0.7:6379") {
		t.Errorf("noted %q", notes)
	}
}
