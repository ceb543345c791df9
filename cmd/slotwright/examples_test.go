package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

const examples = "../../examples"

// Every example says what it plans: one file after the other of a folder, the
// first on blank servers, each next one on what the one before it made.
func TestEveryExamplePlansWhatItSays(t *testing.T) {
	t.Setenv("SLOTWRIGHT_STATE_DIR", t.TempDir())
	folders, err := filepath.Glob(filepath.Join(examples, "*"))
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob(filepath.Join(examples, "*", "*", ""))
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, folder := range append(folders, deeper...) {
		files, _ := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if len(files) == 0 {
			continue
		}
		tried++
		t.Run(strings.TrimPrefix(folder, examples+"/"), func(t *testing.T) {
			_, own := os.Stat(filepath.Join(folder, "README.md"))
			if _, above := os.Stat(filepath.Join(folder, "..", "README.md")); own != nil && above != nil {
				t.Error(own)
			}
			w := &imagined{}
			for _, file := range files {
				planned(t, w, file)
			}
		})
	}
	if tried < 5 {
		t.Fatalf("only %d examples were found", tried)
	}
}

// Editors check the examples against the schema that lies beside them.
func TestTheSchemaBesideTheExamplesIsThePrintedOne(t *testing.T) {
	path := filepath.Join(examples, "schema.json")
	if *update {
		if err := os.WriteFile(path, spec.Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, spec.Schema()) {
		t.Errorf("%s is not what slotwright schema prints; run the test with -update", path)
	}
}

// planned compares what a file plans with what stands beside it, then takes the
// steps in imagination and demands that nothing is left.
func planned(t *testing.T, w *imagined, file string) {
	t.Helper()
	var got, said bytes.Buffer
	tool := &tool{
		in: strings.NewReader(""), out: &got, err: &said,
		env:     func(string) (string, bool) { return "", false },
		connect: w.connect,
	}
	if code := run(t.Context(), []string{"plan", file}, tool); code != 0 {
		t.Fatalf("plan %s: exit %d\n%s", file, code, said.String())
	}
	text := strings.ReplaceAll(got.String(), examples+string(filepath.Separator), "examples/")
	beside := strings.TrimSuffix(file, ".yaml") + ".plan.txt"
	if *update {
		if err := os.WriteFile(beside, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(beside)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", beside, diff)
	}
	w.take()
	if p := plan.Make(w.want, w.state); len(p.Steps)+len(p.Holds) > 0 {
		t.Errorf("%s: after its plan there are still %d steps and %d holds", file, len(p.Steps), len(p.Holds))
	}
}

// imagined is a cluster that does whatever a plan says, for planning only.
type imagined struct {
	want  spec.Topology
	state cluster.State
}

// connect lists the topology's nodes; those that are new are blank and, where
// the platform makes them, not there yet.
func (w *imagined) connect(want spec.Topology) (reconcile.Cluster, error) {
	p, err := platform(want)
	if err != nil {
		return nil, err
	}
	places, err := p.Places(context.Background())
	if err != nil {
		return nil, err
	}
	w.want = want
	for i := range w.state.Nodes {
		w.state.Nodes[i].Before = w.state.Nodes[i].Listed || w.state.Nodes[i].Before
		w.state.Nodes[i].Listed = false
	}
	for _, place := range places {
		w.list(place)
	}
	slices.SortFunc(w.state.Nodes, func(a, b cluster.Node) int { return strings.Compare(a.Name, b.Name) })
	return w, nil
}

func (w *imagined) list(p cluster.Place) {
	if n := w.state.Node(p.Name); n != nil {
		n.Listed, n.Before = p.Listed, false
		return
	}
	n := cluster.Node{
		Name: p.Name, Addr: p.Addr, Zone: p.Zone, Host: p.Host, Listed: p.Listed, Exists: p.Exists,
		ID: fmt.Sprintf("%040x", len(w.state.Nodes)+1), Alone: true, Ready: true,
	}
	if !p.Exists {
		n.Health = cluster.Absent
	}
	w.state.Nodes = append(w.state.Nodes, n)
}

func (w *imagined) take() {
	for _, s := range plan.Make(w.want, w.state).Steps {
		w.state = s.Effect(w.state)
	}
}

// Observe gives the state at hand.
func (w *imagined) Observe(context.Context) (cluster.State, error) { return w.state, nil }

// Do is never asked: a plan changes nothing.
func (w *imagined) Do(context.Context, cluster.State, []plan.Step, func(plan.Progress)) error {
	return fmt.Errorf("a plan tried to act")
}

// Lock is never asked either.
func (w *imagined) Lock(context.Context) (func(), string, error) {
	return nil, "", fmt.Errorf("a plan tried to lock")
}

// Tidy has nothing to put back.
func (w *imagined) Tidy(context.Context, cluster.State) error { return nil }
