//go:build e2e && soak

package e2e

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// soak is a daemon, what it follows, and everything that goes wrong around it.
type soak struct {
	t       *testing.T
	b       *bench
	r       *repo
	d       *daemon
	wire    *wire
	traffic *livetest.Traffic
	rand    *rand.Rand
	flags   []string
	good    string // the last revision without a mistake
	masters int    // that it wants
}

const (
	soakKeys = 50_000
	soakSize = 64
)

// For as long as SOAK says (a duration, such as 20m), commits good and bad, kills
// of the daemon, a network to git that fails, and servers that stop and die come
// in any order. In the end the cluster is what the last good commit says, no key
// was lost, and the daemon has not grown. SOAK_SEED repeats a run's order.
func TestSoak(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv("SOAK_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("SOAK_SEED=%d", seed)
	s := newSoak(t, seed)
	s.during(span/2, s.commit, s.commit, s.mistake, s.network, s.pause, s.fail, s.killDaemon)
	// A daemon that is killed again and again can't grow; now it lives on.
	s.converges()
	before := s.size()
	s.during(span/2, s.commit, s.commit, s.mistake, s.network, s.pause, s.fail)
	s.converges()
	s.notLarger(before)
	kept(t, s.traffic.Stop())
	s.b.fleet.Read(t, soakKeys, soakSize)
	s.d.stop()
	if left, err := os.ReadDir(filepath.Join(s.b.dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	b := newBench(t, livetest.Options{Servers: 7})
	r := newRepo(b)
	temp := filepath.Join(b.dir, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "TMPDIR="+temp)
	url, ca := r.serve(b, canary+"git")
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "https://"), "/")
	s := &soak{t: t, b: b, r: r, wire: newWire(t, host), rand: rand.New(rand.NewPCG(seed, 0))}
	s.flags = []string{"--git-ca-file", ca, "--git-password-file", b.secret("git", canary+"git"), "--branch", "main", "--pull-timeout", "5s"}
	s.flags = append([]string{"https://" + s.wire.address + "/" + path}, s.flags...)
	s.push(shape{masters: 3, nodes: first(3)})
	s.d = b.follow(s.flags[0], s.flags[1:]...)
	s.converges()
	b.fleet.Write(t, soakKeys, soakSize)
	s.traffic = b.fleet.Traffic(2, 5*time.Millisecond)
	return s
}

// during does one of the deeds after the other, in any order.
func (s *soak) during(span time.Duration, deeds ...func()) {
	s.t.Helper()
	for end := time.Now().Add(span); time.Now().Before(end) && !s.t.Failed(); {
		deeds[s.rand.IntN(len(deeds))]()
		time.Sleep(time.Duration(s.rand.IntN(4000)) * time.Millisecond)
	}
}

func (s *soak) say(format string, args ...any) {
	s.t.Logf("%s "+format, append([]any{time.Now().Format("15:04:05")}, args...)...)
}

func (s *soak) push(want shape) {
	s.good = s.r.commit("change", map[string]string{"orders.yaml": s.b.text(want)})
	s.masters = want.masters
	s.say("%d masters with %d replicas on %v: %s", want.masters, want.replicas, want.nodes, s.good)
}

// commit wants another shape.
func (s *soak) commit() {
	shapes := []shape{
		{masters: 3, nodes: first(3)}, {masters: 4, nodes: first(4)}, {masters: 5, nodes: []int{0, 1, 2, 5, 6}},
		{masters: 3, replicas: 1, nodes: first(6)}, {masters: 3, replicas: 1, nodes: []int{0, 2, 3, 4, 5, 6}}, {masters: 3, nodes: []int{0, 1, 6}},
	}
	s.push(shapes[s.rand.IntN(len(shapes))])
}

// mistake commits what must change nothing.
func (s *soak) mistake() {
	texts := []string{"", "# nothing\n", "masters: 3\n", strings.Repeat("[", 5000), "kind: RedisCluster\nspec: {masters: 0}\n"}
	s.say("a mistake: %s", s.r.commit("mistake", map[string]string{"orders.yaml": texts[s.rand.IntN(len(texts))]}))
}

// network has the way to git fail for a while.
func (s *soak) network() {
	mode, span := int32(1+s.rand.IntN(int(modes)-1)), time.Duration(1+s.rand.IntN(9))*time.Second
	s.say("the network: mode %d for %s", mode, span)
	s.wire.mode.Store(mode)
	time.Sleep(span)
	s.wire.mode.Store(passes)
}

// pause stops a server for less than its peers wait, or for longer.
func (s *soak) pause() {
	i, span := s.rand.IntN(len(s.b.fleet.Servers)), time.Duration(200+s.rand.IntN(1000))*time.Millisecond
	s.say("n%d stops for %s", i, span)
	s.b.fleet.Pause(i)
	time.Sleep(span)
	s.b.fleet.Resume(i)
}

// fail kills a server and starts it again, also after its peers gave it up.
// Nobody writes meanwhile: what a master acknowledged and did not pass on before
// it died is lost by a failover, whoever looks after the cluster.
func (s *soak) fail() {
	s.b.t.Helper()
	kept(s.t, s.traffic.Stop())
	i, span := s.rand.IntN(len(s.b.fleet.Servers)), time.Duration(s.rand.IntN(8000))*time.Millisecond
	s.say("n%d dies for %s", i, span)
	s.b.fleet.Kill(i)
	time.Sleep(span)
	s.b.fleet.Again(i)
	s.traffic = s.b.fleet.Traffic(2, 5*time.Millisecond)
}

func (s *soak) killDaemon() {
	s.say("the daemon is killed")
	s.d.kill()
	s.d = s.b.follow(s.flags[0], s.flags[1:]...)
}

// converges demands that the cluster becomes what the last good commit says,
// with the mistake that may have come after it taken back.
func (s *soak) converges() {
	s.t.Helper()
	s.good = s.r.commit("as before", map[string]string{"orders.yaml": s.r.run(s.r.work, "show", strings.TrimPrefix(s.good, "main@sha1:")+":orders.yaml") + "\n"})
	s.say("it must become %d masters as of %s", s.masters, s.good)
	s.d.until("the last good commit", 5*time.Minute, func() bool {
		now := s.d.tells()
		return len(now.Clusters) == 1 && now.Clusters[0].Revision == s.good && now.Clusters[0].Health == "Healthy" &&
			now.Clusters[0].InSync != nil && *now.Clusters[0].InSync && len(now.Clusters[0].Shards) == s.masters
	})
	s.b.fleet.Check(s.t)
}

// size is what a daemon takes. Heap is where the collector will begin next, about
// twice what is in use: it shows a leak that the system's view of the process,
// under the race detector, drowns in noise.
type size struct{ heap, bytes, goroutines, files float64 }

// size is measured when the daemon has been idle for some passes, which lets the
// collector give back what the work took.
func (s *soak) size() size {
	s.t.Helper()
	at := s.d.passes()
	s.d.until("some idle passes", 2*time.Minute, func() bool { return s.d.passes() >= at+20 })
	now := size{s.d.metric("go_memstats_next_gc_bytes"), s.d.metric("process_resident_memory_bytes"), s.d.metric("go_goroutines"), s.d.metric("process_open_fds")}
	s.say("the daemon takes %.1f MB of heap, %.0f MB in all, %.0f goroutines, %.0f files", now.heap/1e6, now.bytes/1e6, now.goroutines, now.files)
	return now
}

func (s *soak) notLarger(before size) {
	s.t.Helper()
	after := s.size()
	// A few more may be at work at the moment; a leak is one with every look
	// at git, or every connection that broke.
	if after.goroutines > before.goroutines+20 || after.files > before.files+20 || after.heap > 1.5*before.heap+8e6 || after.bytes > 2*before.bytes+100e6 {
		s.t.Errorf("the daemon has grown from %+v to %+v", before, after)
	}
}

// metric is the value of a metric without labels.
func (d *daemon) metric(name string) float64 {
	d.b.t.Helper()
	value, ok := d.metrics()[name]
	if !ok {
		d.b.t.Fatalf("no metric %s", name)
	}
	return value
}

// wire is a way to a server that can fail.
type wire struct {
	address string
	to      string
	mode    atomic.Int32
}

const (
	passes int32 = iota
	drops        // connections are closed at once
	stalls       // connections are taken, and nothing is passed on
	cuts         // connections break after a few bytes
	modes
)

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: l.Addr().String(), to: to}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c)
		}
	}()
	return w
}

func (w *wire) carry(c net.Conn) {
	defer c.Close()
	mode := w.mode.Load()
	switch mode {
	case drops:
		return
	case stalls:
		_, _ = io.Copy(io.Discard, c) // until the other side gives up
		return
	}
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(server, c) }()
	if mode == cuts {
		_, _ = io.CopyN(c, server, 2000) // in the handshake of TLS, or soon after
		return
	}
	_, _ = io.Copy(c, server)
}
