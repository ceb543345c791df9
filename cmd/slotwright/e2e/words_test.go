//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A live cluster, seen from any of its members, becomes a file whose plan is
// empty, and what is shown of it by address is what its file shows.
func TestALiveClusterIsImportedAsItIs(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 6})
	b.apply(b.write("orders.yaml", shape{masters: 3, replicas: 1, nodes: first(6), zones: abc(6)}))
	seed := b.fleet.Servers[4].Addr
	b.must(0, "status", "--wait", filepath.Join(b.dir, "orders.yaml"))
	if o := b.must(0, "status", seed); !strings.Contains(o.stdout, "Healthy, 16384 of 16384 slots served") {
		t.Errorf("status by address: %v", o)
	}

	args := []string{"import", seed, "--name", "imported"}
	file := filepath.Join(b.dir, "imported.yaml")
	for _, zoned := range []bool{false, true} {
		if zoned {
			for i, s := range b.fleet.Servers[:6] {
				args = append(args, "--zone", s.Addr+"="+abc(6)[i])
			}
		}
		o := b.must(0, args...)
		if zoned && strings.Contains(o.stdout, "zoneSpread") {
			t.Errorf("the strictest rule holds and is not the one written:\n%s", o.stdout)
		}
		if err := os.WriteFile(file, []byte(o.stdout), 0o600); err != nil {
			t.Fatal(err)
		}
		b.settled(file)
	}
}

// A run that is interrupted says how far it came and exits 1 within seconds;
// while it runs another one holds; run again, the saved plan is finished.
func TestAnInterruptedApplyIsFinishedByTheSavedPlan(t *testing.T) {
	const keys = 200_000
	b := newBench(t, livetest.Options{Servers: 4, Config: keyByKey()})
	b.apply(b.write("orders.yaml", shape{masters: 3, replicas: 0, nodes: first(3), zones: abc(4)}))
	b.fleet.Write(t, keys, 128)
	grow, saved := b.write("grow.yaml", shape{masters: 4, replicas: 0, nodes: first(4), zones: abc(4)}), filepath.Join(b.dir, "grow.plan")
	b.must(0, "plan", "--out", saved, grow)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd, _, stderr := b.command(ctx, "apply", saved, "-o", "json")
	cmd.Stdout = nil
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	for moving := false; !moving && lines.Scan(); {
		moving = strings.Contains(lines.Text(), `"event":"progress"`) && strings.Contains(lines.Text(), `"kind":"Move"`)
	}
	if o := b.run("apply", "--auto-approve", grow); o.code != 3 || !strings.Contains(o.stdout, "Busy") {
		t.Errorf("a second run beside the first: %v", o)
	}
	stopped := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	err = cmd.Wait()
	if took := time.Since(stopped); err == nil || cmd.ProcessState.ExitCode() != 1 || took > 10*time.Second {
		t.Fatalf("interrupted: %v after %s\n%s", err, took, stderr)
	}
	if !strings.Contains(last, `"event":"exit","code":1`) {
		t.Errorf("the last event is %s", last)
	}
	o := b.must(0, "apply", saved)
	if !strings.Contains(o.stdout, "as its topology wants it") {
		t.Errorf("the rest of the plan: %v", o)
	}
	b.settled(grow)
	b.fleet.Check(t)
	b.fleet.Read(t, keys, 128)
}
