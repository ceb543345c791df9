package plan

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

func TestPlansSurviveJSON(t *testing.T) {
	hold(t, func(seed uint64) error {
		p := Make(troubled(seed))
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		var back Plan
		if err := json.Unmarshal(text, &back); err != nil {
			return err
		}
		if back.Fingerprint() != p.Fingerprint() || !reflect.DeepEqual(back.Steps, p.Steps) || !slices.Equal(back.Holds, p.Holds) {
			return fmt.Errorf("%s\ncomes back as\n%s", printed(p), printed(back))
		}
		return nil
	})
}

func TestEveryCodeIsExplained(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []Code
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			text, _ := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			declared = append(declared, Code(text))
		}
		return true
	})
	slices.Sort(declared)
	if !slices.Equal(declared, Codes()) {
		t.Errorf("declared %v\nexplained %v", declared, Codes())
	}
	if _, _, ok := Explain("Nonsense"); ok {
		t.Error("a code there is none of is explained")
	}
}

// An approval of one of these must never let another of them run.
func TestNoTwoEndsShareAFingerprint(t *testing.T) {
	loss, other := slot.All(), slot.Set{}
	loss.Remove(7)
	other.Add(7)
	wants := map[string]func(*spec.Topology){
		"as it is":            func(*spec.Topology) {},
		"suspended":           func(w *spec.Topology) { w.Suspend = true },
		"absent":              func(w *spec.Topology) { w.State = spec.Absent },
		"absent, permitted":   func(w *spec.Topology) { w.State, w.Allow.Delete = spec.Absent, w.Name },
		"keys given up":       func(w *spec.Topology) { w.Allow.DataLoss = &loss },
		"other keys given up": func(w *spec.Topology) { w.Allow.DataLoss = &other },
	}
	prints := map[string]string{}
	for name, change := range wants {
		want, now := troubled(1)
		want.Allow, want.State, want.Suspend = spec.Allow{}, spec.Present, false
		change(&want)
		print := Make(want, now).Fingerprint()
		if other, taken := prints[print]; taken {
			t.Errorf("%q has the fingerprint of %q", name, other)
		}
		prints[print] = name
	}
}

func TestAnApprovalCoversTheRestAndNothingNew(t *testing.T) {
	set := func(text string) slot.Set {
		s, err := slot.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	approved := Plan{Steps: []Step{
		{Kind: Move, From: "a", To: "b", Slots: set("0-99")},
		{Kind: Forget, Node: "c"},
	}}
	for _, c := range []struct {
		what string
		step Step
		want bool
	}{
		{"a part of an approved move", Step{Kind: Move, From: "a", To: "b", Slots: set("5,50-99")}, true},
		{"one slot more", Step{Kind: Move, From: "a", To: "b", Slots: set("99-100")}, false},
		{"the other way", Step{Kind: Move, From: "b", To: "a", Slots: set("5")}, false},
		{"an approved removal", Step{Kind: Forget, Node: "c"}, true},
		{"a new removal", Step{Kind: Forget, Node: "a"}, false},
		{"a reset instead", Step{Kind: Reset, Node: "c"}, false},
		{"closing what an approved move left open", Step{Kind: Close, From: "a", To: "b", Slots: set("7")}, true},
		{"closing towards somebody else", Step{Kind: Close, From: "a", To: "c", Slots: set("7")}, false},
		{"undoing a half-moved slot", Step{Kind: Close, From: "a", To: "a", Slots: set("7")}, true},
		{"putting back what was borrowed", Step{Kind: Configure, Node: "z", Config: map[string]string{replicaMigration: "yes"}}, true},
		{"another directive", Step{Kind: Configure, Node: "z", Config: map[string]string{"maxmemory": "1gb"}}, false},
	} {
		if got := (Plan{Steps: []Step{c.step}}).Continues(approved); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestValuesCompareAsTheServerPrintsThem(t *testing.T) {
	for _, c := range []struct {
		key, want, has string
		same           bool
	}{
		{"maxmemory", "2gb", "2147483648", true},
		{"maxmemory", "2g", "2000000000", true},
		{"maxmemory", "2gb", "2000000000", false},
		{"maxmemory-policy", "allkeys-LRU", "allkeys-lru", true},
		{"save", "3600 1  300 100", "3600 1 300 100", true},
		{"client-output-buffer-limit", "replica 256mb 64mb 60", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", true},
		{"client-output-buffer-limit", "normal 1mb 0 0", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", false},
		{"notify-keyspace-events", "KEA", "AKE", true},
		{"notify-keyspace-events", "Kx", "xE", false},
	} {
		if got := sameValue(c.key, c.want, c.has); got != c.same {
			t.Errorf("%s %q and %q: %v", c.key, c.want, c.has, got)
		}
	}
}
