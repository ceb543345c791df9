//go:build e2e

// Package e2e drives the built command against real servers, the way a person
// does: topology files in, exit codes and words out. What the servers hold is
// checked with clients and redis-cli, never with the product itself.
package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

var binary string

func TestMain(m *testing.M) {
	path, remove := livetest.Command("-race")
	binary = path
	code := m.Run()
	remove()
	os.Exit(code)
}

// outcome is what a run of the command left.
type outcome struct {
	code           int
	stdout, stderr string
}

func (o outcome) String() string {
	return fmt.Sprintf("exit %d\n--- stdout\n%s--- stderr\n%s", o.code, o.stdout, o.stderr)
}

// bench is one test's place: a topology file, its servers and a state
// directory of its own.
type bench struct {
	t     testing.TB
	fleet *livetest.Fleet
	dir   string
	env   []string
}

func newBench(t testing.TB, opts livetest.Options) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	b.fleet = livetest.Start(t, opts)
	b.env = append(os.Environ(), "SLOTWRIGHT_STATE_DIR="+filepath.Join(b.dir, "state"), "GORACE=halt_on_error=1 atexit_sleep_ms=50")
	return b
}

// command is a run of slotwright that has not begun.
func (b *bench) command(ctx context.Context, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = &stdout, &stderr, b.env, b.dir
	return cmd, &stdout, &stderr
}

// run runs slotwright to its end, within three minutes.
func (b *bench) run(args ...string) outcome {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd, stdout, stderr := b.command(ctx, args...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatalf("slotwright %s: %v", strings.Join(args, " "), err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs slotwright and demands an exit code.
func (b *bench) must(code int, args ...string) outcome {
	b.t.Helper()
	o := b.run(args...)
	if o.code != code {
		b.t.Fatalf("slotwright %s: want exit %d, got %v", strings.Join(args, " "), code, o)
	}
	return o
}

// apply applies a file and demands that the plan after it is empty.
func (b *bench) apply(file string) outcome {
	b.t.Helper()
	o := b.must(0, "apply", file, "--auto-approve")
	b.settled(file)
	return o
}

// settled demands that nothing is left to do.
func (b *bench) settled(file string) {
	b.t.Helper()
	if o := b.run("plan", file, "--detailed-exitcode"); o.code != 0 {
		b.t.Fatalf("the next plan is not empty: %v", o)
	}
}

// plan is `plan -o json` of one cluster.
type plan struct {
	State       string
	Fingerprint string
	Steps       []step
	Holds       []hold
	Summary     struct {
		Start, Stop                []string
		MoveSlots, Promote, Follow int
	}
}

type step struct {
	Stage                       int
	Kind, Node, From, To, Slots string
	Count                       int
	Keys, Bytes, ETA            int64
	Engine, EngineReason        string
}

type hold struct{ Why, Code, Node, Text, Lift string }

func (b *bench) plan(file string) plan {
	b.t.Helper()
	o := b.must(0, "plan", file, "-o", "json")
	var all struct{ Clusters []plan }
	if err := json.Unmarshal([]byte(o.stdout), &all); err != nil || len(all.Clusters) != 1 {
		b.t.Fatalf("plan -o json: %v, %d clusters: %v", err, len(all.Clusters), o)
	}
	return all.Clusters[0]
}

func (p plan) count(kind string) int {
	n := 0
	for _, s := range p.Steps {
		if s.Kind == kind {
			n++
		}
	}
	return n
}

// shape is a topology of the fleet's servers, as far as tests vary it.
type shape struct {
	masters, replicas int
	nodes             []int          // which servers are listed, by index
	zones             []string       // zone of every server of the fleet; nil: no zones
	more              string         // further lines of spec, indented by two
	names             map[int]string // what servers are called in the file, by index; default: as in the fleet
}

// write writes the topology file name and returns its path.
func (b *bench) write(name string, s shape) string {
	b.t.Helper()
	var f strings.Builder
	fmt.Fprintf(&f, "apiVersion: slotwright/v1alpha1\nkind: RedisCluster\nmetadata:\n  name: orders\nspec:\n  masters: %d\n  replicasPerMaster: %d\n", s.masters, s.replicas)
	if s.zones == nil && !strings.Contains(s.more, "zoneSpread") {
		f.WriteString("  zoneSpread: \"Off\"\n")
	}
	f.WriteString(s.more)
	f.WriteString("  platform:\n    static:\n      nodes:\n")
	for _, i := range s.nodes {
		server := b.fleet.Servers[i]
		name, zone := cmp.Or(s.names[i], server.Name), ""
		if s.zones != nil {
			zone = ", zone: " + s.zones[i]
		}
		fmt.Fprintf(&f, "        - {name: %s, address: %q%s}\n", name, server.Addr, zone)
	}
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(f.String()), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// first are the indices of the first n servers.
func first(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// abc repeats the zones a, b, c for n servers.
func abc(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = string(rune('a' + i%3))
	}
	return out
}

// kept demands that clients lost nothing that was acknowledged to them.
func kept(t testing.TB, r livetest.Report) {
	t.Helper()
	for _, l := range r.Lost {
		t.Errorf("lost: %s", l)
	}
	if r.Writes == 0 || r.Reads == 0 {
		t.Errorf("the clients did nothing: %+v", r)
	}
	t.Logf("clients: %d writes, %d reads, %d errors (%s), p50 %v p99 %v max %v",
		r.Writes, r.Reads, r.Errors, r.FirstError, r.P50, r.P99, r.Max)
}
