package plan

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

var update = flag.Bool("update", false, "rewrite the plans of the stories")

// TestStories holds every plan in testdata to what the story says, follows it
// to its end and expects nothing left to do there.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { tell(t, file) })
	}
}

func tell(t *testing.T, file string) {
	story, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	part := func(name string) *txtar.File {
		for i := range story.Files {
			if story.Files[i].Name == name {
				return &story.Files[i]
			}
		}
		return &txtar.File{}
	}
	want := readWant(t, string(part("want").Data))
	seen := readNodes(t, string(part("nodes").Data), string(part("open").Data))
	p := Make(want, seen)
	if strings.Contains(string(story.Comment), "Rest:") {
		p = Rest(want, seen)
	}
	got := printed(p)
	if want := string(part("plan").Data); got != want {
		if !*update {
			t.Errorf("%s\ngot:\n%swant:\n%s", story.Comment, got, want)
		}
		part("plan").Data = []byte(got)
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(story), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if rest := Rest(want, after(seen, p.Steps)); len(p.Steps) > 0 && len(rest.Steps) > 0 {
		t.Errorf("steps are left at the end:\n%s", printed(rest))
	}
}

func after(now cluster.State, steps []Step) cluster.State {
	for _, s := range steps {
		now = s.Effect(now)
	}
	return now
}

// printed is a plan as stories hold it: one step a line with its stage, then
// holds and notes.
func printed(p Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%d %s\n", s.Stage, s)
	}
	for _, h := range p.Holds {
		fmt.Fprintf(&b, "hold %s\n", h)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note %s\n", n)
	}
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return b.String()
}

func readWant(t *testing.T, text string) spec.Topology {
	t.Helper()
	want := spec.Topology{
		Name: "orders", ZoneSpread: spec.Required, Failback: true, State: spec.Present,
		Platform: spec.Platform{Static: &spec.Static{}}, Slots: spec.Slots{Tolerance: 0.02},
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.Atoi(value)
		switch key {
		case "masters":
			want.Masters = n
		case "replicas":
			want.ReplicasPerMaster = n
		case "spread":
			want.ZoneSpread = spec.Spread(value)
		case "platform":
			if value == "kubernetes" {
				want.Platform = spec.Platform{Kubernetes: &spec.Kubernetes{}}
			}
			if value == "adopted" {
				want.Platform = spec.Platform{Kubernetes: &spec.Kubernetes{Adopt: &spec.Adopt{StatefulSet: "redis"}}}
			}
		case "shrinkTo":
			want.Allow.ShrinkTo = &n
		case "delete":
			want.Allow.Delete = value
		case "forget":
			want.Allow.Forget = strings.Split(value, ",")
		case "dataLoss":
			set, err := slot.Parse(value)
			if err != nil {
				t.Fatal(err)
			}
			want.Allow.DataLoss = &set
		case "failback":
			want.Failback = value == "true"
		case "suspend":
			want.Suspend = value == "true"
		case "state":
			want.State = spec.State(value)
		case "engine":
			want.Engine.Name, want.Engine.Version, _ = strings.Cut(value, " ")
		case "config":
			k, v, _ := strings.Cut(value, " ")
			if want.Config == nil {
				want.Config = map[string]string{}
			}
			want.Config[k] = v
		case "weight":
			k, v, _ := strings.Cut(value, " ")
			if want.Slots.Weights == nil {
				want.Slots.Weights = map[string]int{}
			}
			want.Slots.Weights[k], _ = strconv.Atoi(v)
		case "":
		default:
			t.Fatalf("unknown word %q in want", key)
		}
	}
	return want
}

// readNodes reads one node a line: its name, which starts with its zone, and
// words for what is not as on a healthy listed member. A master has slots=, a
// replica of=; a node with neither is a lone blank one.
func readNodes(t *testing.T, nodes, open string) cluster.State {
	t.Helper()
	var now cluster.State
	for line := range strings.Lines(nodes) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		n := readNode(t, words)
		now.Nodes = append(now.Nodes, n)
		now.Formed = now.Formed || n.Member && n.Health == cluster.Up
	}
	for i := range now.Nodes {
		if m := &now.Nodes[i]; m.Master != "" {
			if lead := now.ByID(m.Master); lead != nil && m.Keys == 0 {
				m.Keys = lead.Keys
			}
		}
	}
	for line := range strings.Lines(open) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "served":
			now.Served = true
		case words[0] == "missing":
			now.Fixtures = append(now.Fixtures, cluster.Fixture{Name: words[1], Text: "is missing"})
		case words[0] == "taken":
			now.Fixtures = append(now.Fixtures, cluster.Fixture{Name: words[1], Text: "is somebody else's", Taken: true})
		case words[0] == "fixed":
			now.Fixtures = append(now.Fixtures, cluster.Fixture{Name: words[1], Text: "can't change its size", Lift: "write what it was"})
		case words[0] == "split":
			now.Split = append(now.Split, strings.Join(words[1:], " "))
		default:
			set, err := slot.Parse(words[0])
			if err != nil {
				t.Fatal(err)
			}
			o := cluster.Open{At: words[1], Peer: words[3], Importing: words[2] == "<-"}
			if len(words) == 5 {
				what, keys, _ := strings.Cut(words[4], "=")
				number, _ := strconv.ParseInt(keys, 10, 64)
				if what == "alone" {
					o.Alone = number
				} else {
					o.Stray = number
				}
			}
			for o.Slot = range set.Each() {
				now.Open = append(now.Open, o)
			}
		}
	}
	return now
}

func readNode(t *testing.T, words []string) cluster.Node {
	t.Helper()
	name := words[0]
	zone, _, _ := strings.Cut(name, "-")
	n := cluster.Node{
		Name: name, ID: "id-" + name, Addr: name + ":6379", Zone: zone, Host: name, Listed: true, Exists: true,
		Ready: true, Server: cluster.Server{Name: "redis", Version: "7.0.15", Databases: 1},
	}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		number, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "slots":
			set, err := slot.Parse(value)
			if err != nil {
				t.Fatal(err)
			}
			n.Slots, n.Member = set, true
			if n.Keys == 0 {
				n.Keys = int64(set.Len())
			}
		case "of":
			n.Master, n.Member, n.Linked = "id-"+value, true, true
		case "member":
			n.Member = true
		case "keys":
			n.Keys = number
		case "unlisted":
			n.Listed = false
		case "before":
			n.Listed, n.Before = false, true
		case "silent":
			n.Health, n.Keys, n.Lag, n.Trouble = cluster.Silent, cluster.Unknown, cluster.Unknown, "connection refused"
		case "twin":
			n.Twin = value
		case "gone":
			n.Gone = true
		case "replaced":
			n.Replaced = true
		case "failed":
			n.Health, n.Keys, n.Lag = cluster.Failed, cluster.Unknown, cluster.Unknown
		case "loading":
			n.Health, n.Keys = cluster.Loading, cluster.Unknown
		case "absent":
			n.Health, n.Exists, n.ID, n.Keys = cluster.Absent, false, "", cluster.Unknown
		case "unlinked":
			n.Linked = false
		case "unproven":
			n.Unproven = true
		case "syncing":
			n.Syncing = true
		case "foreign":
			n.Foreign = true
		case "uncounted":
			n.Uncounted = "a command is refused to this login"
		case "moved":
			n.Moved = true
		case "unknownAt":
			n.UnknownAt = strings.Split(value, ",")
		case "nozone":
			n.Zone = ""
		case "host":
			n.Host = value
		case "used":
			n.Memory.Used = number << 20
		case "dataset":
			n.Memory.Dataset = number << 20
		case "max":
			n.Memory.Max = number << 20
		case "policy":
			n.Memory.Policy = value
		case "borrowed":
			n.Borrowed = true
		case "outdated":
			n.Outdated = true
		case "server":
			n.Server.Name, n.Server.Version, _ = strings.Cut(value, ":")
		default:
			k, ok := strings.CutPrefix(key, "config.")
			if !ok {
				t.Fatalf("unknown word %q of node %s", word, name)
			}
			if n.Config == nil {
				n.Config = map[string]string{}
			}
			n.Config[k] = value
		}
	}
	return n
}
