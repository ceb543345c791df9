package serve

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

func get(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	var alive, ready error
	h := Pages{
		Alive: func() error { return alive }, Ready: func() error { return ready },
		Status: func() any { return map[string]string{"address": "10.0.0.1:6379 <&>"} }, Metrics: http.NotFoundHandler(),
	}.Handler()
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := get(h, path); code != 200 || body != "ok\n" {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	alive, ready = errors.New("stuck"), errors.New("not looked yet")
	if code, body := get(h, "/healthz"); code != 503 || body != "stuck\n" {
		t.Errorf("/healthz: %d %s", code, body)
	}
	if code, body := get(h, "/readyz"); code != 503 || body != "not looked yet\n" {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, body := get(h, "/api/v1/status"); code != 200 || !strings.Contains(body, `"10.0.0.1:6379 <&>"`) {
		t.Errorf("status: %d %s", code, body)
	}
}

func TestWhatIsServedStopsWhenItIsToldTo(t *testing.T) {
	at, stop, err := Start("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != "here" {
		t.Errorf("got %q, %v", body, err)
	}
	if _, _, err := Start(at.String(), nil, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("two listen at one address")
	}
	stop()
	if resp, err := http.Get("http://" + at.String()); err == nil {
		_ = resp.Body.Close()
		t.Error("it still answers")
	}
}

// Slots and keys are counted once although every report tells the sum so far,
// and a stage that is begun again tells from zero.
func TestMovesAreCountedOnce(t *testing.T) {
	m := NewMetrics("v1", Gauges{Board: follow.NewBoard(), Serves: func(reconcile.Result) (int, string) { return 0, "" }})
	move := plan.Step{Kind: plan.Move, From: "n0", To: "n1"}
	told := func(what reconcile.What, slots int, keys int64) {
		m.Event(reconcile.Event{What: what, Cluster: "orders", Stage: []plan.Step{move}, Progress: plan.Progress{Step: move, Done: slots, Total: 100, Keys: keys}})
	}
	told(reconcile.Began, 0, 0)
	told(reconcile.Advanced, 10, 1000)
	told(reconcile.Advanced, 10, 1500)
	told(reconcile.Advanced, 40, 4000)
	told(reconcile.Began, 0, 0)
	told(reconcile.Advanced, 60, 6000)
	m.Event(reconcile.Event{What: reconcile.Advanced, Cluster: "orders", Progress: plan.Progress{Step: plan.Step{Kind: plan.Meet, Node: "n0"}, Done: 1, Total: 1}})
	m.Result(reconcile.Result{Cluster: "orders", Observed: true, Done: []plan.Step{move}, Failed: []plan.Step{{Kind: plan.Follow}}})
	m.Looked(nil)
	m.Looked(errors.New("no"))
	_, text := get(m.Handler(), "/metrics")
	for _, want := range []string{
		`slotwright_moved_slots_total{cluster="orders"} 100`,
		`slotwright_moved_keys_total{cluster="orders"} 10000`,
		`slotwright_steps_total{cluster="orders",kind="Move",result="done"} 1`,
		`slotwright_steps_total{cluster="orders",kind="Follow",result="failed"} 1`,
		`slotwright_passes_total{cluster="orders",state="InSync"} 1`,
		`slotwright_source_looks_total{result="ok"} 1`,
		`slotwright_source_looks_total{result="error"} 1`,
		`slotwright_build_info{version="v1"} 1`,
		`slotwright_leader 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is not there in\n%s", want, text)
		}
	}
}

// The README lists the metrics, with their labels, and no others.
func TestTheReadmeListsEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("`(slotwright_[a-z_]+)(?:{([a-z,]+)})?`").FindAllStringSubmatch(string(text), -1) {
		labels := strings.Split(m[2], ",")
		slices.Sort(labels)
		listed[m[1]+" "+strings.Join(labels, ",")] = true
	}
	for name := range described(t) {
		if !listed[name] {
			t.Errorf("the README does not list %s", name)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("the README lists %s, which is not there", name)
	}
}

// described are the metrics of ours, each with its labels.
func described(t *testing.T) map[string]bool {
	m := NewMetrics("v1")
	all := make(chan *prometheus.Desc, 100)
	for _, c := range []prometheus.Collector{m.looks, m.passes, m.steps, m.slots, m.keys, m.hooks, m.notes, Gauges{}} {
		c.Describe(all)
	}
	close(all)
	out := map[string]bool{"slotwright_build_info version": true}
	for d := range all {
		found := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: {([^}]*)}`).FindStringSubmatch(d.String())
		if found == nil {
			t.Fatalf("a description of another form: %s", d)
		}
		labels := strings.Split(found[2], ",")
		slices.Sort(labels)
		out[found[1]+" "+strings.Join(labels, ",")] = true
	}
	return out
}

// Browsers and proxies open connections in advance. One that was never used must
// not keep a daemon that was told to stop.
func TestAConnectionThatSaysNothingHoldsUpNobody(t *testing.T) {
	at, stop, err := Start("127.0.0.1:0", http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	resp, err := http.Get("http://" + at.String()) // it was accepted after the silent one
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(4 * time.Second):
		t.Error("it waits for the connection that says nothing")
	}
}
