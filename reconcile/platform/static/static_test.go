package static

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

func inventory(nodes ...spec.StaticNode) spec.Topology {
	return spec.Topology{Name: "orders", Platform: spec.Platform{Static: &spec.Static{Nodes: nodes}}}
}

func TestPlacesAreTheInventoryInItsOrder(t *testing.T) {
	p, err := New(inventory(
		spec.StaticNode{Name: "n1", Address: "db1.example:6379", Zone: "a"},
		spec.StaticNode{Name: "n0", Address: "[fd00::7]:6380"},
	))
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Places(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []cluster.Place{
		{Name: "n1", Zone: "a", Host: "db1.example", Addr: "db1.example:6379", Listed: true, Exists: true},
		{Name: "n0", Host: "fd00::7", Addr: "[fd00::7]:6380", Listed: true, Exists: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("places\n got %+v\nwant %+v", got, want)
	}
}

func TestAnAddressWithoutPortIsAnError(t *testing.T) {
	_, err := New(inventory(spec.StaticNode{Name: "n0", Address: "10.0.0.1"}))
	if err == nil || !strings.Contains(err.Error(), "n0") {
		t.Errorf("got %v, want an error that names n0", err)
	}
}

func TestNothingIsStartedOrStopped(t *testing.T) {
	p, err := New(inventory(spec.StaticNode{Name: "n0", Address: "10.0.0.1:6379"}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, names := context.Background(), []string{"n0"}
	for deed, err := range map[string]error{
		"start":   p.Start(ctx, names),
		"stop":    p.Stop(ctx, names),
		"destroy": p.Destroy(ctx, names),
		"restart": p.Restart(ctx, "n0"),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), deed+" n0: ") {
			t.Errorf("%s: got %v, want a refusal that names deed and node", deed, err)
		}
	}
}
