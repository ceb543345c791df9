package serve

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

const monitoring = "../../../deploy/monitoring/"

// expressions are those of the alert rules and of the dashboard, by where they
// are.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	read := func(name string, into any) {
		text, err := os.ReadFile(monitoring + name)
		if err == nil {
			err = yaml.Unmarshal(text, into) // JSON is YAML
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	out := map[string]string{}
	var alerts struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	read("alerts.yaml", &alerts)
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			out["alert "+r.Alert] = r.Expr
		}
	}
	var dashboard struct {
		Templating json.RawMessage
		Panels     []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	read("dashboard.json", &dashboard)
	out["variables"] = string(dashboard.Templating)
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 || p.Title == "" {
			t.Errorf("a panel shows nothing: %+v", p)
		}
		for _, target := range p.Targets {
			out["panel "+p.Title] += target.Expr + "\n"
		}
	}
	return out
}

var (
	selector = regexp.MustCompile(`(slotwright_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z]+)=~?\\?"([^"\\]*)\\?"`)
	grouping = regexp.MustCompile(`(?:by|on) \(([a-z, ]+)\)`)
)

// Alerts and the dashboard ask for metrics, labels and values that there are.
// promtool, in make lint, says that they are well formed.
func TestAlertsAndTheDashboardAskForWhatIsServed(t *testing.T) {
	labels := map[string][]string{} // by metric
	every := map[string]bool{"instance": true, "job": true}
	for line := range described(t) {
		name, all, _ := strings.Cut(line, " ")
		labels[name] = strings.Split(all, ",")
		for _, label := range labels[name] {
			every[label] = true
		}
	}
	values := map[string][]string{
		"state":  {string(reconcile.InSync), string(reconcile.OutOfSync), string(reconcile.Held), string(reconcile.Unknown)},
		"health": {"Healthy", "Degraded", "Down", "Unknown"},
		"why":    {string(plan.Wait), string(plan.Ask), string(plan.Stuck)},
		"result": {"ok", "error", "done", "failed", "sent", "refused"},
	}
	found := 0
	for where, expr := range expressions(t) {
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			found++
			known, ok := labels[m[1]]
			if !ok {
				t.Errorf("%s asks for %s, which is not there", where, m[1])
			}
			for _, pair := range matcher.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(known, pair[1]) {
					t.Errorf("%s: %s has no label %s", where, m[1], pair[1])
				}
				if pair[1] == "cluster" {
					continue
				}
				for value := range strings.SplitSeq(pair[2], "|") {
					if !slices.Contains(values[pair[1]], value) {
						t.Errorf("%s: %s is never %q", where, pair[1], value)
					}
				}
			}
		}
		for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(g[1], ", ") {
				if !every[label] {
					t.Errorf("%s: there is no label %s", where, label)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d metrics were found in the rules and the dashboard", found)
	}
}
