package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/cmd/slotwright/planfile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// A plan file that was edited with care, so that all its sums are right, permits
// nothing: apply plans anew, and runs the plan it finds only if the file names
// that very one.
func TestAPlanFileForgedWithRightSumsPermitsNothing(t *testing.T) {
	d := sit(t)
	file, path := d.file("orders", 3, 3), filepath.Join(d.dir, "orders.plan")
	d.expects(0, d.types("", "plan", "--out", path, file))
	good := mustRead(t, path)
	for name, forge := range map[string]func(*planfile.Saved){
		"another goal":     func(s *planfile.Saved) { s.Goal.Shards[0].Leader, s.Goal.Shards[1].Leader = "n1", "n0" },
		"another cluster":  func(s *planfile.Saved) { s.Cluster = "other" },
		"another topology": func(s *planfile.Saved) { s.Topology = strings.Replace(s.Topology, "masters: 3", "masters: 2", 1) },
		"a removal": func(s *planfile.Saved) {
			s.Goal.Removed = []string{"n0"}
			s.Steps = append(s.Steps, plan.Step{Kind: plan.Stop, Node: "n0"})
		},
		"fewer steps": func(s *planfile.Saved) { s.Steps = s.Steps[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			var forged planfile.File
			if err := json.Unmarshal(good, &forged); err != nil {
				t.Fatal(err)
			}
			one := &forged.Clusters[0]
			forge(one)
			one.Digest = one.Sum()
			one.Fingerprint = one.Plan().Fingerprint()
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
	var forged planfile.File
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
		one := planfile.Saved{Cluster: "orders", File: "f.yaml", Topology: topology, Fingerprint: plan.Plan{Cluster: "orders"}.Fingerprint()}
		one.Digest = one.Sum()
		text, err := json.Marshal(planfile.File{Kind: planfile.Kind, FormatVersion: planfile.FormatVersion, Clusters: []planfile.Saved{one}})
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
