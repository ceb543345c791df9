//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// The password is changed on all servers while slots are on their way, and every
// client is thrown out. Once the file has the new one the daemon goes on by
// itself, long before the pass it is in gives up.
func TestAPasswordRotatedInTheMiddleOfAMoveIsReadAnew(t *testing.T) {
	const keys, old, next = 300_000, "canary-before", "canary-after"
	b := newBench(t, livetest.Options{Servers: 4, Password: old})
	file := b.secret("password", old)
	save := func(n int) {
		b.publish(shape{masters: n, nodes: first(n), more: fmt.Sprintf("  auth: {password: {file: %q}}\n", file)})
	}
	save(3)
	d := b.follow("topologies")
	d.until("created", time.Minute, func() bool { return d.inSync(3) })
	b.fleet.Write(t, keys, 64)
	save(4)
	d.moving()
	b.fleet.Rotate(t, next)
	d.until("the login is refused", time.Minute, func() bool { return strings.Contains(d.words()+d.get("/api/v1/status"), "WRONGPASS") })
	b.secret("password", next)
	begin := time.Now()
	d.until("it goes on", 2*time.Minute, func() bool { return d.inSync(4) })
	t.Logf("grown %s after the file had the new password", time.Since(begin).Round(100*time.Millisecond))
	b.fleet.Check(t)
	b.fleet.Read(t, keys, 64)
	if got := d.leaks("canary-"); len(got) > 0 {
		t.Errorf("a password is in %v", got)
	}
	d.stop()
}

// Told to stop in the middle of a move, the daemon stops within moments, at a
// boundary: a slot whose keys stand at both ends is marked at both, and what it
// switched for its work is back. The next one goes on to the end.
func TestToldToStopInTheMiddleOfAMoveItStopsAtABoundary(t *testing.T) {
	const keys = 400_000
	b := newBench(t, livetest.Options{Servers: 4, Config: keyByKey()})
	save := func(n int) { b.publish(shape{masters: n, nodes: first(n)}) }
	save(3)
	d := b.follow("topologies")
	d.until("created", time.Minute, func() bool { return d.inSync(3) })
	b.fleet.Write(t, keys, 64)
	traffic := b.fleet.Traffic(2, time.Millisecond)
	save(4)
	open := 0
	for range 3 {
		d.moving()
		begin := time.Now()
		d.stopBy(syscall.SIGTERM)
		t.Logf("stopped in %s", time.Since(begin).Round(time.Millisecond))
		open += b.paired()
		b.givenBack()
		mentions(t, d.words(), "stopped at a safe boundary", "msg=stopped")
		d = b.follow("topologies")
	}
	d.until("grown", 2*time.Minute, func() bool { return d.inSync(4) })
	t.Logf("%d slots were half-moved between the daemons", open)
	kept(t, traffic.Stop())
	b.unmarked()
	b.fleet.Check(t)
	b.fleet.Read(t, keys, 64)
	d.stop()
}

// paired demands that every half-moved slot is known at both of its ends, and
// counts them.
func (b *bench) paired() int {
	b.t.Helper()
	out, in := map[string]bool{}, map[string]bool{} // slot, source, target
	for i := range b.fleet.Servers {
		id := b.id(i)
		for _, m := range openMark.FindAllStringSubmatch(b.do(i, "CLUSTER", "NODES").(string), -1) {
			if m[2] == ">" {
				out[m[1]+" "+id+" "+m[3]] = true
			} else {
				in[m[1]+" "+m[3]+" "+id] = true
			}
		}
	}
	if !maps.Equal(out, in) {
		b.t.Errorf("half-moved slots: their sources say %v, their targets %v", out, in)
	}
	return len(out)
}

var openMark = regexp.MustCompile(`\[([0-9]+)-([<>])-([0-9a-f]{40})\]`)

// publish puts a topology into the directory that a daemon follows, whole.
func (b *bench) publish(s shape) {
	b.t.Helper()
	dir := filepath.Join(b.dir, "topologies")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(b.write("next.txt", s), filepath.Join(dir, "orders.yaml")); err != nil {
		b.t.Fatal(err)
	}
}
