//go:build e2e

package e2e

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// soon is what a run may take to stop on a machine that has much else to do. It
// takes some tenths of a second where it has not.
const soon = 5 * time.Second

// Ctrl-C and SIGTERM end a run soon in whatever kind of step it is, with the
// words that it was stopped; what was switched on the servers is put back,
// hardly a slot is left half-moved, no key is lost, and the next run goes on.
func TestAnInterruptedRunStopsSoonAtASafeBoundary(t *testing.T) {
	const keys = 60_000
	b := newBench(t, livetest.Options{Servers: 8})
	three := b.write("three.yaml", shape{masters: 3, replicas: 1, nodes: first(6)})
	four := b.write("four.yaml", shape{masters: 4, replicas: 1, nodes: first(8)})
	b.apply(three)
	b.fleet.Write(t, keys, 64)
	traffic := b.fleet.Traffic(2, time.Millisecond)
	for i, at := range []struct{ file, kind string }{
		{four, "Meet"}, {four, "Follow"}, {four, "Move"}, {three, "Move"}, {three, "Forget"},
	} {
		signal := []os.Signal{os.Interrupt, syscall.SIGTERM}[i%2]
		r := b.begin(at.file)
		if at.kind == "Move" {
			b.amidst(r)
		} else {
			r.reach(at.kind+" begins", func(e event) bool { return e.stage("began", at.kind) })
		}
		begun := time.Now()
		if err := r.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		o := r.end()
		took := time.Since(begun)
		open := 0
		for i := range 8 {
			open += strings.Count(b.do(i, "CLUSTER", "NODES").(string), "[")
		}
		t.Logf("%v in %s: exit %d after %s, %d marks are left", signal, at.kind, o.code, took.Round(time.Millisecond), open)
		if took > soon {
			t.Errorf("%v in %s: it went on for %s: %v", signal, at.kind, took, o)
		}
		if o.code != 1 && o.code != 0 { // it may just have come to its end
			t.Errorf("%v in %s: %v", signal, at.kind, o)
		}
		if o.code == 1 {
			mentions(t, o.stdout, "stopped")
		}
		if open > 20 {
			t.Errorf("%v in %s: %d marks are left", signal, at.kind, open)
		}
		b.givenBack()
		if i == 2 || i == 4 {
			b.apply(at.file)
			b.fleet.Check(t)
			b.unmarked()
		}
	}
	kept(t, traffic.Stop())
	b.fleet.Read(t, keys, 64)
}

// A daemon that moves slots turns to a new commit, and ends when it is told to,
// as soon as a run from a terminal does.
func TestADaemonTurnsToANewCommitAndStopsSoon(t *testing.T) {
	const keys = 150_000
	b := newBench(t, livetest.Options{Servers: 4})
	r := newRepo(b)
	three := map[string]string{"orders.yaml": b.text(shape{masters: 3, nodes: first(3)})}
	four := map[string]string{"orders.yaml": b.text(shape{masters: 4, nodes: first(4)})}
	rev := r.commit("four", four)
	d := b.follow("file://" + r.bare)
	d.reaches(rev, 4)
	b.fleet.Write(t, keys, 64)
	traffic := b.fleet.Traffic(2, time.Millisecond)

	r.commit("shrink", three)
	d.moving()
	rev = r.commit("take it back", four)
	begun := time.Now()
	d.until("n3 gives no slots any more", time.Minute, func() bool {
		return !slices.ContainsFunc(d.tells().Clusters[0].Running, func(p progress) bool {
			return p.Step.Kind == "Move" && p.Step.From == "n3"
		})
	})
	took := time.Since(begun)
	t.Logf("a new commit: turned to after %s", took.Round(time.Millisecond))
	if took > soon {
		t.Errorf("it went on with the old commit for %s", took)
	}
	d.reaches(rev, 4)

	r.commit("shrink again", three)
	d.moving()
	begun = time.Now()
	d.stop()
	took = time.Since(begun)
	t.Logf("SIGINT: ended after %s", took.Round(time.Millisecond))
	if took > soon {
		t.Errorf("it went on for %s after it was told to stop", took)
	}
	b.givenBack()
	b.apply(b.write("three.yaml", shape{masters: 3, nodes: first(3)}))
	kept(t, traffic.Stop())
	b.fleet.Check(t)
	b.unmarked()
	b.fleet.Read(t, keys, 64)
}
