package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with a file of testdata. Fingerprints are plan's
// business and blotted out.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = regexp.MustCompile(`sha256:[0-9a-f]{64}`).ReplaceAllString(got, "sha256:FINGERPRINT")
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func slots(t *testing.T, text string) slot.Set {
	t.Helper()
	s, err := slot.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// looks are plans of every sort: long, empty, held, failed, hostile.
func looks(t *testing.T) []surveyed {
	grow := plan.Plan{
		Cluster: "orders",
		Steps: []plan.Step{
			{Stage: 1, Kind: plan.Start, Node: "a-2", Reason: "the topology wants it"},
			{Stage: 2, Kind: plan.Meet, Node: "a-2", Reason: "a-2 is not a member yet"},
			{Stage: 3, Kind: plan.Follow, Node: "b-2", To: "a-2", Bytes: 1_600_000, Shard: "a-2"},
			{Stage: 4, Kind: plan.Move, From: "a-0", To: "a-2", Slots: slots(t, "4096-5461"), Keys: 83354, Bytes: 16_670_800, ETA: 2,
				Engine: plan.Migrate, EngineReason: "a-0 has modules that forbid the atomic way: search", Reason: "a-2 takes its share"},
			{Stage: 4, Kind: plan.Move, From: "b-0", To: "a-2", Slots: slots(t, "1,3,5,7,9,11"), Keys: 3_000_000, Bytes: 600_000_000, ETA: 16,
				Engine: plan.Atomic, EngineReason: "both run Valkey 9 or newer"},
			{Stage: 4, Kind: plan.Move, From: "d-0", To: "e-2", Slots: slots(t, "77"), Keys: 1, Bytes: 96, ETA: 1,
				Engine: plan.Migrate, EngineReason: "neither runs Valkey 9 or newer"},
			{Stage: 5, Kind: plan.Promote, Node: "c-1", From: "c-0", Bare: true, Shard: "c-1"},
			{Stage: 6, Kind: plan.Forget, Node: "c-0"},
			{Stage: 7, Kind: plan.Stop, Node: "c-0"},
			{Stage: 8, Kind: plan.Configure, Node: "a-0", Config: map[string]string{"maxmemory": "2gb", "appendonly": "yes"}},
		},
		Notes: []string{"2 of 8 nodes stay spare: x, y"},
	}
	held := plan.Plan{Cluster: "sessions", Holds: []plan.Hold{
		{Why: plan.Wait, Code: plan.NodeSilent, Node: "n6", Text: "n6 does not answer: dial tcp: refused", Lift: "start n6 or take it out of the topology"},
		{Why: plan.Ask, Code: plan.ShrinkTo, Text: "shrinking from 6 to 2 masters", Lift: "allow.shrinkTo: 2"},
	}}
	hostile := plan.Plan{Cluster: "carts", Holds: []plan.Hold{{
		Why: plan.Stuck, Code: plan.Refused, Text: "a\x1b[2J|`<img src=x>` @everyone [link](http://x)\nnext", Lift: "**",
	}}}
	at := func(name string, r reconcile.Result) surveyed {
		r.Cluster = name
		return surveyed{want: spec.Topology{Name: name, File: "topologies/" + name + ".yaml", Line: 2}, result: r}
	}
	return []surveyed{
		at("orders", reconcile.Result{Observed: true, Plan: grow}),
		at("sessions", reconcile.Result{Observed: true, Plan: held}),
		at("idle", reconcile.Result{Observed: true}),
		at("carts", reconcile.Result{Observed: true, Plan: hostile}),
		at("lost", reconcile.Result{Err: errors.New("observe lost: no such \x1b host")}),
	}
}

func TestPlansPrintForPeopleProgramsAndPullRequests(t *testing.T) {
	for _, c := range []struct {
		file string
		show func(*tool, []surveyed) error
	}{
		{"plan.txt", (*tool).plansText},
		{"plan.json", (*tool).plansJSON},
		{"plan.md", (*tool).plansMarkdown},
	} {
		var out bytes.Buffer
		if err := c.show(quietTool(&out), looks(t)); err != nil {
			t.Fatal(err)
		}
		golden(t, c.file, out.String())
	}
}

// quietTool prints to out and has nothing else: no terminal, no environment.
func quietTool(out *bytes.Buffer) *tool {
	return &tool{
		in: bytes.NewReader(nil), out: out, err: out,
		env: func(string) (string, bool) { return "", false },
	}
}

func TestColourSaysNothingThatTheTextDoesNot(t *testing.T) {
	var plainText, coloured bytes.Buffer
	tool := quietTool(&plainText)
	if err := tool.plansText(looks(t)); err != nil {
		t.Fatal(err)
	}
	tool = quietTool(&coloured)
	tool.paints = true
	if err := tool.plansText(looks(t)); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(plainText.Bytes(), coloured.Bytes()) {
		t.Error("a terminal gets no colour")
	}
	bare := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(coloured.String(), "")
	if diff := cmp.Diff(plainText.String(), bare); diff != "" {
		t.Errorf("without its colours the text differs (-plain +bare):\n%s", diff)
	}
	tool.env = func(name string) (string, bool) { return "1", name == "NO_COLOR" }
	if tool.paint() {
		t.Error("NO_COLOR is not obeyed")
	}
}

func TestExitCodesOfPlans(t *testing.T) {
	all := looks(t)
	for _, c := range []struct {
		name     string
		of       []surveyed
		detailed bool
		want     exit
	}{
		{"changes are no error", all[:1], false, exitOK},
		{"changes are told when asked", all[:1], true, exitChanges},
		{"holds are no error", all[1:2], false, exitOK},
		{"a hold outweighs changes", all[:2], true, exitHeld},
		{"nothing to do", all[2:3], true, exitOK},
		{"an error outweighs all", all, true, exitError},
		{"an error is one without asking", all, false, exitError},
	} {
		if got := codeOfPlans(c.of, c.detailed); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.want)
		}
	}
}

func TestTimesReadAsCoarseAsTheyAre(t *testing.T) {
	for seconds, want := range map[int64]string{
		1: "1 s", 9: "9 s", 12: "10 s", 13: "15 s", 54: "55 s", 55: "1 min", 89: "1 min", 90: "2 min", 5399: "90 min", 5400: "2 h", 9000: "3 h",
	} {
		if got := lasting(seconds); got != want {
			t.Errorf("lasting(%d) = %q, want %q", seconds, got, want)
		}
	}
}

func TestNumbersReadAsPeopleSayThem(t *testing.T) {
	for n, want := range map[int64]string{
		-1: "?", 0: "0", 999: "999", 1000: "1k", 1449: "1.4k", 9960: "10k", 83354: "83k", 999_499: "999k",
		999_600: "1M", 1_234_567: "1.2M", 5_000_000_000: "5G",
	} {
		if got := about(n); got != want {
			t.Errorf("about(%d) = %q, want %q", n, got, want)
		}
	}
}
