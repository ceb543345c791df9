package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

func TestOnlyYesIsYes(t *testing.T) {
	for _, no := range []string{"no\n", "y\n", "YES\n", " yes\n", "yes", "\n"} {
		d := sit(t)
		file := d.file("orders", 3, 3)
		d.expects(1, d.types(no, "apply", file), "Only 'yes' is accepted", "not approved: nothing done")
		if n := len(d.world["orders"].did); n > 0 {
			t.Fatalf("%q: %d steps were taken", no, n)
		}
	}
	d := sit(t)
	file := d.file("orders", 3, 3)
	d.expects(0, d.types("yes\n", "apply", file), "6 steps done", "as its topology wants it")
	d.expects(0, d.types("yes\n", "apply", file), "No changes.")
	if strings.Contains(d.err.String(), "accepted") {
		t.Error("it asks although there is nothing to approve")
	}
	d.expects(0, d.types("", "plan", "--detailed-exitcode", file))
}

func TestPlanNeverWrites(t *testing.T) {
	d := sit(t)
	file := d.file("orders", 3, 3)
	d.expects(0, d.types("", "plan", file), "Stage 1", "Meet 3 nodes: n0, n1, n2")
	d.expects(2, d.types("", "plan", "--detailed-exitcode", file))
	if n := len(d.world["orders"].did); n > 0 {
		t.Errorf("plan took %d steps", n)
	}
}

func TestAReviewedFingerprintIsAnApproval(t *testing.T) {
	d := sit(t)
	file := d.file("orders", 3, 3)
	d.expects(0, d.types("", "plan", "-o", "json", file))
	var printed plansJSON
	if err := json.Unmarshal(d.out.Bytes(), &printed); err != nil {
		t.Fatal(err)
	}
	d.expects(3, d.types("", "apply", "--expect-plan", "sha256:00", file), "Ask StaleApproval", "--expect-plan names sha256:00")
	if n := len(d.world["orders"].did); n > 0 {
		t.Fatalf("%d steps were taken with a stale approval", n)
	}
	d.expects(3, d.types("", "apply", "--auto-approve", "--expect-plan", "sha256:00", file), "StaleApproval")
	d.expects(0, d.types("", "apply", "--expect-plan", printed.Clusters[0].Fingerprint, file), "6 steps done")
}

func TestASavedPlanIsAppliedExactlyOrNotAtAll(t *testing.T) {
	d := sit(t)
	file, saved := d.file("orders", 3, 4), filepath.Join(d.dir, "orders.plan")
	d.expects(0, d.types("", "plan", "--out", saved, file))
	if info, err := os.Stat(saved); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("saved with mode %v, error %v", info.Mode(), err)
	}
	// The file may change: what was saved is what was approved.
	d.file("orders", 4, 4)
	d.expects(0, d.types("", "apply", saved), "6 steps done")
	d.expects(0, d.types("", "apply", saved), "no changes")

	grown := filepath.Join(d.dir, "grown.plan")
	d.expects(0, d.types("", "plan", "--out", grown, file))
	d.world["orders"].now.Nodes[3].Health = cluster.Silent
	d.world["orders"].now.Nodes[3].Keys = cluster.Unknown
	d.expects(3, d.types("", "apply", grown), "NodeSilent")
	r := d.world["orders"]
	r.now.Nodes[3].Health, r.now.Nodes[3].Keys = cluster.Up, 0
	// Half way, by another hand: the rest is still what was approved.
	for _, s := range plan.Make(mustLoad(t, file), r.now).Steps[:2] {
		r.now = s.Effect(r.now)
	}
	d.expects(0, d.types("", "apply", grown), "as its topology wants it")
}

// A plan file says what was approved once. After later commits it must not take
// away nodes that joined since, though they have the names of those it removed.
func TestAPlanFileThatWasCarriedOutRemovesNothingAgain(t *testing.T) {
	d := sit(t)
	d.expects(0, d.types("", "apply", "--auto-approve", d.file("orders", 4, 4)))
	saved := filepath.Join(d.dir, "shrink.plan")
	d.expects(0, d.types("", "plan", "--out", saved, d.file("orders", 3, 4)))
	d.expects(0, d.types("", "apply", saved))
	r := d.world["orders"]
	for i := range r.now.Nodes {
		if n := &r.now.Nodes[i]; !n.Member { // as RESET HARD does
			n.ID = strings.Repeat("e", 40)
		}
	}
	d.expects(0, d.types("", "apply", "--auto-approve", d.file("orders", 4, 4)))
	d.expects(3, d.types("", "apply", saved), "StaleApproval", "before n3 joined")
}

func TestATamperedPlanFileIsRefused(t *testing.T) {
	d := sit(t)
	file, saved := d.file("orders", 3, 3), filepath.Join(d.dir, "orders.plan")
	d.expects(0, d.types("", "plan", "--out", saved, file))
	good, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	for old, bad := range map[string]string{
		`"leader": "n0"`:       `"leader": "n9"`,
		"masters: 3":           "masters: 2",
		`"formatVersion": 1`:   `"formatVersion": 2`,
		`"kind": "Slotwright`:  `"extra": 1, "kind": "Slotwright`,
		`"cluster": "orders",`: `"cluster": "other",`,
		`"nodes": {`:           `"nodes": {"n7": "1",`,
	} {
		if !strings.Contains(string(good), old) {
			t.Fatalf("the plan file has no %s:\n%s", old, good)
		}
		if err := os.WriteFile(saved, []byte(strings.Replace(string(good), old, bad, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		d.expects(1, d.types("", "apply", saved), "plan file")
		if n := len(d.world["orders"].did); n > 0 {
			t.Fatalf("%s: %d steps were taken", bad, n)
		}
	}
}

func TestOneBrokenClusterStopsNoOther(t *testing.T) {
	d := sit(t)
	d.file("good", 3, 3)
	d.expects(0, d.types("", "plan", d.dir))
	d.file("lost", 3, 3)
	d.file("held", 3, 2)
	d.expects(1, d.types("", "plan", d.dir), "PASSWORD is not set", "Stage 1")
	d.expects(1, d.types("yes\n", "apply", d.dir), "good: 6 steps done", "NotEnough", "PASSWORD is not set")
	if got := strings.Count(d.err.String(), "Only 'yes'"); got != 1 {
		t.Errorf("asked %d times", got)
	}
	os.Remove(filepath.Join(d.dir, "lost.yaml"))
	d.expects(3, d.types("", "apply", "--auto-approve", d.dir))
}

func TestEventsAreOneObjectPerLine(t *testing.T) {
	d := sit(t)
	file := d.file("orders", 3, 3)
	d.expects(0, d.types("", "apply", "--auto-approve", "-o", "json", file))
	var seen []string
	for line := range strings.Lines(d.out.String()) {
		var e struct {
			FormatVersion  int
			Event, Cluster string
			Code           *int
			Result         *struct{ State string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.FormatVersion != 1 {
			t.Fatalf("%s: %v", line, err)
		}
		seen = append(seen, e.Event)
		if e.Result != nil && e.Result.State != "InSync" || e.Event == "exit" && *e.Code != 0 {
			t.Error(line)
		}
	}
	text := strings.Join(seen, " ")
	if !strings.HasPrefix(text, "plan began progress progress progress ended plan began") || !strings.HasSuffix(text, "ended plan result exit") {
		t.Errorf("events: %s", text)
	}
}

func TestFailuresAreAccountedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := sit(t)
		file := d.file("orders", 3, 3)
		d.world["orders"] = blank(mustLoad(t, file))
		d.world["orders"].broken = errors.New("meet n0: connection reset\nby peer \x1b[2J")
		d.expects(1, d.types("", "apply", "--auto-approve", file),
			"! Error: meet n0: connection reset; by peer", "failed or cut off:", "Meet n0", "not started:", "Assign", "safe to run again")
		if strings.Contains(d.out.String()+d.err.String(), "\x1b") {
			t.Error("a server's text steers the terminal")
		}
		if n := strings.Count(d.err.String(), "connection reset"); n != 1 {
			t.Errorf("one failure is told %d times", n)
		}
	})
}

func TestAnotherRunIsAHold(t *testing.T) {
	d := sit(t)
	file := d.file("orders", 3, 3)
	d.world["orders"] = blank(mustLoad(t, file))
	d.world["orders"].holder = "laptop:4711"
	d.expects(3, d.types("", "apply", "--auto-approve", file), "Wait Busy", "laptop:4711", "to lift it:")
}
