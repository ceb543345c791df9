package main

import (
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

func TestAPlanSaysWhichDataARemovalDestroysAndWhichItKeeps(t *testing.T) {
	want := spec.Topology{Name: "orders", Masters: 3, Zones: []string{"a"}, State: spec.Absent, Allow: spec.Allow{Delete: "orders"}}
	now := cluster.State{Nodes: []cluster.Node{{Name: "orders-a-0", Listed: true, Exists: true}}}
	for _, c := range []struct {
		name            string
		storage         spec.Storage
		destroyed, kept string
	}{
		{"claims that stay", spec.Storage{Size: "1Gi"}, "", "orders-a-0"},
		{"claims that go", spec.Storage{Size: "1Gi", WhenDeleted: spec.Delete}, "orders-a-0", ""},
		{"no claims", spec.Storage{}, "orders-a-0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want.Platform.Kubernetes = &spec.Kubernetes{Storage: c.storage}
			s := sum(plan.Make(want, now))
			if got := strings.Join(s.Destroyed, ","); got != c.destroyed || strings.Contains(s.String(), "destroyed for good") != (got != "") {
				t.Errorf("destroyed %q: %s", got, s)
			}
			if got := strings.Join(s.Kept, ","); got != c.kept || strings.Contains(s.String(), "claims are kept") != (got != "") {
				t.Errorf("kept %q: %s", got, s)
			}
		})
	}
}
