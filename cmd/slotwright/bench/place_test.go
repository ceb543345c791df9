//go:build bench

package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec"
)

// place is some servers and the topology files for them.
type place struct {
	b      *testing.B
	fleet  *livetest.Fleet
	dir    string
	conns  map[int]*redis.Client
	secure bool // the servers want password

	moving time.Duration // how long slots moved in the last apply
	own    time.Duration // processor time of the last command of slotwright
}

func newPlace(b *testing.B, opts livetest.Options) *place {
	b.Helper()
	return &place{b: b, fleet: livetest.Start(b, opts), dir: b.TempDir(), conns: map[int]*redis.Client{}, secure: opts.Password != ""}
}

const (
	password     = "of-the-bench"
	passwordName = "SLOTWRIGHT_BENCH_PASSWORD" // the variable that has it
)

// file writes a topology of the first servers and returns its path.
func (p *place) file(masters, replicas int, budget time.Duration) string {
	p.b.Helper()
	want := spec.Topology{
		Name: "orders", Masters: masters, ReplicasPerMaster: replicas, ZoneSpread: spec.Off, Platform: spec.Platform{Static: &spec.Static{}},
		Slots: spec.Slots{Tolerance: 0.02}, Migration: spec.Migration{MaxLatency: budget}, Failback: true, State: spec.Present,
	}
	if p.secure {
		want.Auth = &spec.Auth{Username: "default", Password: spec.Secret{Env: passwordName}}
	}
	for _, s := range p.fleet.Servers[:masters*(replicas+1)] {
		want.Platform.Static.Nodes = append(want.Platform.Static.Nodes, spec.StaticNode{Name: s.Name, Address: s.Addr})
	}
	text, err := spec.Format(want)
	if err != nil {
		p.b.Fatal(err)
	}
	path := filepath.Join(p.dir, fmt.Sprintf("%d.yaml", masters))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		p.b.Fatal(err)
	}
	return path
}

// slotwright runs the command, which must exit with 0, and returns what it
// printed.
func (p *place) slotwright(args ...string) []byte {
	p.b.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "SLOTWRIGHT_STATE_DIR="+filepath.Join(p.dir, "state"), passwordName+"="+password)
	if err := cmd.Run(); err != nil {
		p.b.Fatalf("slotwright %s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	p.own = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return stdout.Bytes()
}

// apply applies a file and notes how long slots moved.
func (p *place) apply(file string) {
	p.b.Helper()
	events := json.NewDecoder(bytes.NewReader(p.slotwright("apply", file, "--auto-approve", "-o", "json")))
	var began time.Time
	for events.More() {
		var e struct {
			Event string
			Time  time.Time
			Steps []struct{ Kind string }
		}
		if err := events.Decode(&e); err != nil {
			p.b.Fatal(err)
		}
		switch {
		case len(e.Steps) == 0 || e.Steps[0].Kind != "Move":
		case e.Event == "began":
			began = e.Time
		case e.Event == "ended":
			p.moving = e.Time.Sub(began)
		}
	}
}

func (p *place) cli(args ...string) {
	p.b.Helper()
	if _, err := p.fleet.CLI(args...); err != nil {
		p.b.Fatal(err)
	}
}

// client is a connection to server i, the same each time.
func (p *place) client(i int) *redis.Client {
	if p.conns[i] == nil {
		p.conns[i] = p.fleet.Client(p.fleet.Servers[i])
	}
	return p.conns[i]
}

// served waits until every server says that all slots are served.
func (p *place) served() {
	p.b.Helper()
	oks := make([]func() bool, len(p.fleet.Servers))
	for i := range p.fleet.Servers {
		c := p.client(i)
		oks[i] = func() bool {
			info, err := c.ClusterInfo(p.b.Context()).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok")
		}
	}
	if !livetest.Eventually(2*time.Minute, func() bool { return all(oks) }) {
		p.b.Fatal("some server never said cluster_state:ok")
	}
}

// all asks everybody at once.
func all(oks []func() bool) bool {
	answers := make([]bool, len(oks))
	var wait sync.WaitGroup
	for i, ok := range oks {
		wait.Go(func() { answers[i] = ok() })
	}
	wait.Wait()
	for _, yes := range answers {
		if !yes {
			return false
		}
	}
	return true
}

// timed is how long a deed takes.
func timed(deed func()) time.Duration {
	begin := time.Now()
	deed()
	return time.Since(begin)
}
