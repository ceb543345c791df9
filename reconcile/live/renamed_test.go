package live

import (
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// A pod whose data was given up comes back under its name as another node.
func TestAFailedMasterIsForgottenWhereAnotherNodeHasItsName(t *testing.T) {
	const name = "orders-c-0.orders-nodes.data.svc"
	servers := fleet(t, 1, 0)
	c := open(t, inventoryOf(servers...), Access{})
	heir := observe(t, c).Nodes[0]
	heir.Alias = name + ":6379"
	gone := func(says, says2 string, failed bool) error {
		line := func(name string) *cluster.Line {
			return &cluster.Line{ID: "old", Name: name, Port: 6379, Flags: cluster.Flags{Master: true, Fail: failed}}
		}
		member := func(name string, all slot.Range, line *cluster.Line) *look {
			self := &cluster.Line{ID: name, Flags: cluster.Flags{Master: true}, Ranges: []slot.Range{all}}
			return &look{name: name, self: self, lines: map[string]*cluster.Line{name: self, "old": line}}
		}
		w := &work{Cluster: c, seen: cluster.State{Nodes: []cluster.Node{{Name: "a", Alias: "orders-a-0.orders-nodes.data.svc:6379"}, {Name: "b"}, heir}}}
		return w.gone(t.Context(), &cluster.Node{ID: "old", Health: cluster.Absent}, []*look{
			member("a", slot.Range{First: 0, Last: 9999}, line(says)),
			member("b", slot.Range{First: 10000, Last: 16383}, line(says2)),
			{name: "r", self: &cluster.Line{ID: "r", Master: "a"}, lines: map[string]*cluster.Line{
				"old": {ID: "old", Master: "r", Port: 6379, Flags: cluster.Flags{Replica: true, Fail: failed}}, // as it was told in between
			}},
		})
	}
	if err := gone(name, name, true); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"it is not called failed":        gone(name, name, false),
		"nobody has its name":            gone("orders-c-1.orders-nodes.data.svc", "", true),
		"members call it differently":    gone(name, "orders-c-1.orders-nodes.data.svc", true),
		"nobody knows what it is called": gone("", "", true),
	} {
		if err == nil {
			t.Errorf("%s, and it is forgotten", what)
		}
	}
	servers[0].kill()
	if gone(name, name, true) == nil {
		t.Error("nobody answers where it stood, and it is forgotten")
	}
}
