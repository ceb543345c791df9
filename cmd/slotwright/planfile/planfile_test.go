package planfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

// FuzzPlanFile holds of any bytes: what is loaded are topologies that a file may
// hold, each with the plan whose fingerprint stands beside it, or an error.
func FuzzPlanFile(f *testing.F) {
	topology := "apiVersion: slotwright/v1alpha1\nkind: RedisCluster\nmetadata: {name: orders}\nspec:\n  masters: 1\n" +
		"  replicasPerMaster: 0\n  zoneSpread: 'Off'\n  platform: {static: {nodes: [{name: n0, address: '10.0.0.1:1'}]}}\n"
	wants, err := spec.Load([]spec.Source{{Name: "f.yaml", Data: []byte(topology)}})
	if err != nil {
		f.Fatal(err)
	}
	p := plan.Plan{Cluster: "orders", Steps: []plan.Step{{Stage: 1, Kind: plan.Assign, Node: "n0", Slots: slot.All()}}}
	one, err := Save(wants[0], reconcile.Result{Plan: p, Seen: cluster.State{Nodes: []cluster.Node{{Name: "n0", ID: "a", Member: true}}}})
	if err != nil {
		f.Fatal(err)
	}
	seed := filepath.Join(f.TempDir(), "seed.plan")
	if err := Write(seed, File{Clusters: []Saved{one}}); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(seed)
	if err != nil {
		f.Fatal(err)
	}
	if wants, plans, err := Load(seed); err != nil || len(wants) != 1 || plans["orders"].Plan().Fingerprint() != p.Fingerprint() {
		f.Fatalf("what was saved is not loaded: %v, %v", plans, err)
	}
	f.Add(good)
	f.Add([]byte(`{"kind":"SlotwrightPlan","formatVersion":1,"clusters":[null]}`))
	f.Add([]byte(`{"kind":"SlotwrightPlan","formatVersion":1,"clusters":[{"steps":[{"slots":"0-99999"}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		wants, plans, err := parse(raw)
		if err != nil {
			if len(wants)+len(plans) > 0 {
				t.Fatal("an error, and plans")
			}
			return
		}
		for name, s := range plans {
			if s.Cluster != name || s.Plan().Fingerprint() != s.Fingerprint || s.Sum() != s.Digest {
				t.Fatalf("%s: %+v", name, s)
			}
		}
		if len(wants) == 0 {
			t.Fatal("no topology and no error")
		}
	})
}
