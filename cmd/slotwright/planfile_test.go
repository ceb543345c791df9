package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// A plan file that was edited with care, so that all its sums are right, permits
// nothing: apply plans anew, and runs the plan it finds only if the file names
// that very one.
func TestAPlanFileForgedWithRightSumsPermitsNothing(t *testing.T) {
	d := sit(t)
	file, path := d.file("orders", 3, 3), filepath.Join(d.dir, "orders.plan")
	d.expects(0, d.types("", "plan", "--out", path, file))
	good := mustRead(t, path)
	for name, forge := range map[string]func(*saved){
		"another goal":     func(s *saved) { s.Goal.Shards[0].Leader, s.Goal.Shards[1].Leader = "n1", "n0" },
		"another cluster":  func(s *saved) { s.Cluster = "other" },
		"another topology": func(s *saved) { s.Topology = strings.Replace(s.Topology, "masters: 3", "masters: 2", 1) },
		"a removal": func(s *saved) {
			s.Goal.Removed = []string{"n0"}
			s.Steps = append(s.Steps, plan.Step{Kind: plan.Stop, Node: "n0"})
		},
		"fewer steps": func(s *saved) { s.Steps = s.Steps[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			var forged planFile
			if err := json.Unmarshal(good, &forged); err != nil {
				t.Fatal(err)
			}
			one := &forged.Clusters[0]
			forge(one)
			one.Digest = one.digest()
			one.Fingerprint = plan.Plan{Cluster: one.Cluster, Steps: one.Steps, Goal: one.Goal}.Fingerprint()
			text, err := json.Marshal(forged)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			d.expects(3, d.types("", "apply", path), "StaleApproval")
			if n := len(d.world["orders"].did); n > 0 {
				t.Fatalf("%d steps were taken", n)
			}
		})
	}
	// Steps beside the real ones are never taken: those of the new plan are.
	var forged planFile
	if err := json.Unmarshal(good, &forged); err != nil {
		t.Fatal(err)
	}
	forged.Clusters[0].Steps = append(forged.Clusters[0].Steps, plan.Step{Kind: plan.Destroy, Node: "n0"}, plan.Step{Kind: plan.Reset, Node: "n1"})
	text, err := json.Marshal(forged)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	d.expects(0, d.types("", "apply", path), "6 steps done")
	for _, s := range d.world["orders"].did {
		if s.Kind == plan.Destroy || s.Kind == plan.Reset {
			t.Errorf("it took %v of the file's word", s)
		}
	}
}

// A plan file asks of a topology all that a topology file is asked.
func TestAPlanFileWithATopologyThatIsNoneIsRefused(t *testing.T) {
	d := sit(t)
	path := filepath.Join(d.dir, "orders.plan")
	for _, topology := range []string{"", "# nothing", "masters: 3", "kind: RedisCluster\nspec: {masters: -1}", strings.Repeat("[", 20_000)} {
		one := saved{Cluster: "orders", File: "f.yaml", Topology: topology, Fingerprint: plan.Plan{Cluster: "orders"}.Fingerprint()}
		one.Digest = one.digest()
		text, err := json.Marshal(planFile{Kind: planFileKind, FormatVersion: formatVersion, Clusters: []saved{one}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		d.expects(1, d.types("", "apply", path), "plan file", "f.yaml")
	}
}

func TestAHugePlanFileIsNotReadToItsEnd(t *testing.T) {
	d := sit(t)
	path := filepath.Join(d.dir, "huge.plan")
	if err := os.WriteFile(path, []byte(`{"kind": "SlotwrightPlan", "clusters": [`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 4<<30); err != nil { // without a byte on the disk
		t.Fatal(err)
	}
	d.expects(1, d.types("", "apply", path), "plan file", "more than 64 MiB")
}

// Plan files name where secrets are found and hold none, and only their owner
// can read them.
func TestAPlanFileIsForItsOwnerAndHoldsNoSecret(t *testing.T) {
	d := sit(t)
	t.Setenv("ORDERS_PASSWORD", "canary-password")
	secret := filepath.Join(d.dir, "secret")
	if err := os.WriteFile(secret, []byte("canary-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"{env: ORDERS_PASSWORD}", "{file: " + secret + "}"} {
		file, path := d.file("orders", 3, 3), filepath.Join(d.dir, "orders.plan")
		text := string(mustRead(t, file)) + "  auth: {username: ann, password: " + where + "}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d.expects(0, d.types("", "plan", "--out", path, file))
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		for _, text := range []string{string(mustRead(t, path)), d.out.String(), d.err.String()} {
			if strings.Contains(text, "canary") {
				t.Errorf("a secret is in\n%s", text)
			}
		}
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// FuzzPlanFile holds of any bytes: what is loaded are topologies that a file may
// hold, each with the plan whose fingerprint stands beside it, or an error.
func FuzzPlanFile(f *testing.F) {
	world := world{}
	topology := "apiVersion: slotwright/v1alpha1\nkind: RedisCluster\nmetadata: {name: orders}\nspec:\n  masters: 1\n" +
		"  replicasPerMaster: 0\n  zoneSpread: 'Off'\n  platform: {static: {nodes: [{name: n0, address: '10.0.0.1:1'}]}}\n"
	wants, err := spec.Load([]spec.Source{{Name: "f.yaml", Data: []byte(topology)}})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := world.connect(wants[0]); err != nil {
		f.Fatal(err)
	}
	p := plan.Make(wants[0], world["orders"].now)
	one := saved{Cluster: "orders", File: "f.yaml", Topology: topology, Fingerprint: p.Fingerprint(), Steps: p.Steps, Goal: p.Goal}
	one.Digest = one.digest()
	good, err := json.Marshal(planFile{Kind: planFileKind, FormatVersion: formatVersion, Clusters: []saved{one}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"kind":"SlotwrightPlan","formatVersion":1,"clusters":[null]}`))
	f.Add([]byte(`{"kind":"SlotwrightPlan","formatVersion":1,"clusters":[{"steps":[{"slots":"0-99999"}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "f.plan")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		wants, plans, err := loadPlans(path)
		if err != nil {
			if len(wants)+len(plans) > 0 {
				t.Fatal("an error, and plans")
			}
			return
		}
		for name, s := range plans {
			if s.plan.Cluster != name || s.plan.Fingerprint() != s.Fingerprint || s.digest() != s.Digest {
				t.Fatalf("%s: %+v", name, s)
			}
		}
		if len(wants) == 0 {
			t.Fatal("no topology and no error")
		}
	})
}
