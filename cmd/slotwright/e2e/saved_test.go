//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// save plans a file into a plan file and returns its path.
func (b *bench) save(file, name string) string {
	b.t.Helper()
	out := filepath.Join(b.dir, name)
	b.must(0, "plan", file, "--out", out)
	return out
}

// stale demands that a run is refused as not the approved one, with nothing
// done.
func (b *bench) stale(args ...string) {
	b.t.Helper()
	b.untouched(first(len(b.fleet.Servers)), func() {
		o := b.must(3, args...)
		mentions(b.t, o.stdout, "StaleApproval", "approve")
	})
}

// What was reviewed runs, and nothing else: a saved plan or a fingerprint is
// good for the cluster it was made for and refused after that has changed.
func TestOnlyTheReviewedPlanRuns(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 5})
	three := b.write("3.yaml", shape{masters: 3, nodes: first(3)})
	four := b.write("4.yaml", shape{masters: 4, nodes: first(4)})
	five := b.write("5.yaml", shape{masters: 5, nodes: first(5)})

	b.must(0, "apply", b.save(three, "create.plan"))
	b.settled(three)
	b.fleet.Check(t)
	b.fleet.Write(t, 2000, 32)

	early := b.save(five, "early.plan")
	fingerprint := b.plan(five).Fingerprint
	b.stale("apply", four, "--expect-plan", fingerprint)
	b.stale("apply", four, "--expect-plan", "sha256:"+strings.Repeat("0", 64))
	b.must(0, "apply", four, "--expect-plan", b.plan(four).Fingerprint)
	b.settled(four)

	// The cluster has four masters now; the plan was made for three.
	b.stale("apply", early)
	b.stale("apply", five, "--expect-plan", fingerprint)
	b.tampered(b.save(five, "late.plan"))
	b.must(0, "apply", b.save(five, "late.plan"))
	b.settled(five)
	b.must(0, "apply", filepath.Join(b.dir, "late.plan")) // done already: nothing to do
	b.fleet.Check(t)
	b.fleet.Read(t, 2000, 32)
}

// tampered demands that a plan file somebody edited is refused.
func (b *bench) tampered(file string) {
	b.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, edit := range [][2]string{{`masters: 5`, `masters: 4`}, {`"leader": "n4"`, `"leader": "n9"`}} {
		changed := strings.Replace(string(text), edit[0], edit[1], 1)
		if changed == string(text) {
			b.t.Fatalf("no %s in %s", edit[0], text)
		}
		path := filepath.Join(b.dir, "tampered.plan")
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			b.t.Fatal(err)
		}
		b.untouched(first(len(b.fleet.Servers)), func() {
			mentions(b.t, b.must(1, "apply", path).stderr, "changed after it was saved")
		})
	}
}

// A run of a saved plan that is killed while slots move goes on with the same
// plan file: what is left of it was approved, too.
func TestASavedPlanThatWasCutOffGoesOn(t *testing.T) {
	const keys = 60_000
	b := newBench(t, livetest.Options{Servers: 4, Config: keyByKey()})
	b.apply(b.write("3.yaml", shape{masters: 3, nodes: first(3)}))
	b.fleet.Write(t, keys, 128)
	traffic := b.fleet.Traffic(2, time.Millisecond)
	four := b.write("4.yaml", shape{masters: 4, nodes: first(4)})
	saved := b.save(four, "grow.plan")
	fingerprint := b.plan(four).Fingerprint

	for _, slots := range []int{200, 1500} {
		b.killedAt(slots, "apply", saved)
		if n := b.newest(); n < slots || n >= 4096 {
			t.Fatalf("killed with %d slots moved, want it in the middle", n)
		}
		if now := b.plan(four).Fingerprint; now != fingerprint {
			t.Errorf("in the middle the fingerprint is %s, was %s", now, fingerprint)
		}
	}
	b.must(0, "apply", saved)
	b.settled(four)
	if n := b.newest(); n != 4096 {
		t.Errorf("the new master has %d slots", n)
	}
	kept(t, traffic.Stop())
	b.fleet.Check(t)
	b.fleet.Read(t, keys, 128)
}

// newest is how many slots the last server owns by its own word.
func (b *bench) newest() int {
	b.t.Helper()
	last := len(b.fleet.Servers) - 1
	return b.members(last)[b.fleet.Servers[last].Name].slots
}

// killedAt begins a run and kills it once the last server owns so many slots.
func (b *bench) killedAt(slots int, args ...string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd, _, stderr := b.command(ctx, args...)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	reached := livetest.Eventually(40*time.Second, func() bool { return b.newest() >= slots })
	if err := cmd.Process.Kill(); err != nil {
		b.t.Fatalf("it had ended before: %v\n%s", err, stderr)
	}
	_ = cmd.Wait() // killed
	if !reached {
		b.t.Fatalf("%d slots never came\n%s", slots, stderr)
	}
}
