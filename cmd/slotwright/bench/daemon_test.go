//go:build bench

package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec"
)

const (
	clusters = 20 // that are really there
	claimed  = 100
	members  = 6 // of each
	secret   = "0123456789abcdef"
)

// region is many small clusters, and a repository with their topologies.
type region struct {
	*place
	work string // a working copy; the repository is beside it
}

func newRegion(b *testing.B) *region {
	b.Helper()
	const host = "127.62.1.1"
	r := &region{place: newPlace(b, livetest.Options{Servers: clusters * members, Host: host, Config: map[string]string{
		"bind-source-addr": `""`, "cluster-announce-ip": host, "appendonly": "no",
	}})}
	r.work = filepath.Join(r.dir, "work")
	r.git(r.dir, "init", "-q", "--bare", "-b", "main", r.dir+"/topologies.git")
	r.git(r.dir, "clone", "-q", r.dir+"/topologies.git", r.work)
	return r
}

func (r *region) git(dir string, args ...string) string {
	r.b.Helper()
	return livetest.Git(r.b, dir, args...)
}

// push commits a topology for each of the first n clusters, with some memory for
// each node, and returns the revision.
func (r *region) push(n int, memory string) string {
	r.b.Helper()
	for i := range n {
		want := spec.Topology{
			Name: fmt.Sprintf("c%d", i), Masters: members / 2, ReplicasPerMaster: 1, ZoneSpread: spec.Off,
			Platform: spec.Platform{Static: &spec.Static{}}, Config: map[string]string{"maxmemory": memory},
			Slots: spec.Slots{Tolerance: 0.02}, Migration: spec.Migration{MaxLatency: usual}, Failback: true, State: spec.Present,
		}
		for _, s := range r.fleet.Servers[i*members : (i+1)*members] {
			want.Platform.Static.Nodes = append(want.Platform.Static.Nodes, spec.StaticNode{Name: s.Name, Address: s.Addr})
		}
		text, err := spec.Format(want)
		if err != nil {
			r.b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.work, want.Name+".yaml"), text, 0o600); err != nil {
			r.b.Fatal(err)
		}
	}
	r.git(r.work, "add", "-A")
	r.git(r.work, "commit", "-q", "--allow-empty", "-m", "change")
	r.git(r.work, "push", "-q", "origin", "HEAD:main")
	return "main@sha1:" + r.git(r.work, "rev-parse", "HEAD")
}

// follower is a running daemon.
type follower struct {
	*region
	address string
	stop    func()
}

func (r *region) follow(flags ...string) *follower {
	r.b.Helper()
	log := filepath.Join(r.b.TempDir(), "log")
	out, err := os.Create(log)
	if err != nil {
		r.b.Fatal(err)
	}
	defer out.Close()
	key := filepath.Join(r.dir, "key")
	if err := os.WriteFile(key, []byte(secret), 0o600); err != nil {
		r.b.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{"run", "--source", "file://" + r.dir + "/topologies.git", "--branch", "main",
		"--listen", "127.0.0.1:0", "--hook-secret-file", key, "--failback-after", "0s"}, flags...)...)
	cmd.Env = append(os.Environ(), "SLOTWRIGHT_STATE_DIR="+filepath.Join(r.dir, "state"))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		r.b.Fatal(err)
	}
	f := &follower{region: r}
	stopped := false
	f.stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill() // what it knows, the servers know
			_ = cmd.Wait()
		}
	}
	r.b.Cleanup(f.stop)
	f.until("it serves", func() bool {
		text, _ := os.ReadFile(log)
		_, rest, found := strings.Cut(string(text), "msg=serving address=")
		f.address, _, _ = strings.Cut(rest, " ")
		return found && strings.Contains(rest, "\n")
	})
	return f
}

func (f *follower) until(what string, yes func() bool) {
	f.b.Helper()
	if !livetest.Eventually(5*time.Minute, yes) {
		f.b.Fatalf("not in five minutes: %s", what)
	}
}

// metrics are the values of all metrics, by name and labels as they are written.
func (f *follower) metrics() map[string]float64 {
	f.b.Helper()
	all := map[string]float64{}
	resp, err := http.Get("http://" + f.address + "/metrics")
	if err != nil {
		f.b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		f.b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			all[line[:i]], _ = strconv.ParseFloat(line[i+1:], 64)
		}
	}
	return all
}

// reached says whether the first n clusters are as a revision wants them.
func (f *follower) reached(revision string, n int) bool {
	now := f.metrics()
	for i := range n {
		if now[fmt.Sprintf(`slotwright_cluster_info{cluster="c%d",revision=%q}`, i, revision)] != 1 ||
			now[fmt.Sprintf(`slotwright_cluster_state{cluster="c%d",state="InSync"}`, i)] != 1 {
			return false
		}
	}
	return true
}

// passed is how many passes over the clusters from first to last have ended.
func (f *follower) passed(first, last int) float64 {
	sum, now := 0.0, f.metrics()
	for i := first; i <= last; i++ {
		for _, state := range []string{"InSync", "OutOfSync", "Held", "Unknown"} {
			sum += now[fmt.Sprintf(`slotwright_passes_total{cluster="c%d",state=%q}`, i, state)]
		}
	}
	return sum
}

// hook tells of a push.
func (f *follower) hook() {
	f.b.Helper()
	const body = `{"ref":"refs/heads/main"}`
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	req, err := http.NewRequest(http.MethodPost, "http://"+f.address+"/hooks/generic", strings.NewReader(body))
	if err != nil {
		f.b.Fatal(err)
	}
	req.Header.Set("X-Signature", fmt.Sprintf("sha256=%x", mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.b.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		f.b.Fatalf("the webhook answers %d", resp.StatusCode)
	}
}

// idle is what a daemon of n clusters takes at its usual pace: bytes of memory,
// and the share of one core.
func (r *region) idle(n int) (bytes, core float64) {
	r.b.Helper()
	revision := r.push(n, "64mb")
	f := r.follow()
	defer f.stop()
	f.until("all are in sync", func() bool { return f.reached(revision, n) })
	at := f.passed(0, n-1)
	f.until("two more passes each", func() bool { time.Sleep(time.Second); return f.passed(0, n-1) >= at+float64(2*n) })
	before, span := f.metrics(), time.Minute
	time.Sleep(span)
	after := f.metrics()
	const cpu, memory = "process_cpu_seconds_total", "process_resident_memory_bytes"
	results.remark("daemon, %d clusters: %.1f MB, of which the heap in use is %.1f, stacks %.1f, heap kept for later %.1f; %.0f goroutines", n, after[memory]/1e6,
		after["go_memstats_heap_inuse_bytes"]/1e6, after["go_memstats_stack_inuse_bytes"]/1e6,
		(after["go_memstats_heap_idle_bytes"]-after["go_memstats_heap_released_bytes"])/1e6, after["go_goroutines"])
	return after[memory], (after[cpu] - before[cpu]) / span.Seconds()
}

// BenchmarkDaemon looks at one daemon with many clusters.
func BenchmarkDaemon(b *testing.B) {
	r := newRegion(b)
	r.calm()
	r.stopped()
	r.pushed()
}

// calm measures what an idle daemon takes. The figure for a hundred clusters goes
// on along the line through one cluster and those that are really there.
func (r *region) calm() {
	r.b.Helper()
	one, oneCore := r.idle(1)
	many, manyCore := r.idle(clusters)
	scaled := func(one, many float64) float64 { return one + (many-one)/(clusters-1)*(claimed-1) }
	bytes, core := scaled(one, many)/1e6, scaled(oneCore, manyCore)*100
	results.remark("daemon, %d clusters of %d nodes, idle: %.0f MB and %.2f %% of a core (bars: 80 MB, 2 %%; scaled from 1 and %d clusters: %.1f and %.1f MB, %.2f and %.2f %%)",
		claimed, members, bytes, core, clusters, one/1e6, many/1e6, oneCore*100, manyCore*100)
}

// stopped measures whether a cluster whose nodes all stopped slows the others.
func (r *region) stopped() {
	r.b.Helper()
	const span = 30 * time.Second
	revision := r.push(clusters, "64mb")
	f := r.follow("--resync", "1s")
	defer f.stop()
	f.until("all are in sync", func() bool { return f.reached(revision, clusters) })
	count := func() float64 {
		at := f.passed(1, clusters-1)
		time.Sleep(span)
		return f.passed(1, clusters-1) - at
	}
	free := count()
	for i := range members {
		r.fleet.Pause(i)
	}
	beside := count()
	for i := range members {
		r.fleet.Resume(i)
	}
	results.remark("passes over %d clusters in %s at --resync 1s: %.0f, and %.0f while all nodes of another one are stopped", clusters-1, span, free, beside)
}

// pushed measures how long it takes from a push until all clusters have what it
// says, a directive of every node.
func (r *region) pushed() {
	r.b.Helper()
	for i, way := range []struct {
		row, interval string
		hook          bool
	}{
		{"push to converged, 20 clusters, by webhook", "1h", true},
		{"push to converged, 20 clusters, by polling every 5 s", "5s", false},
	} {
		row := results.row(way.row, "", bar{})
		revision := r.push(clusters, "64mb")
		f := r.follow("--interval", way.interval)
		f.until("all are in sync", func() bool { return f.reached(revision, clusters) })
		for n := range 3 {
			row.ours = append(row.ours, timed(func() {
				revision = r.push(clusters, fmt.Sprintf("%dmb", 70+10*i+n))
				if way.hook {
					f.hook()
				}
				f.until("all have what was pushed", func() bool { return f.reached(revision, clusters) })
			}))
		}
		f.stop()
	}
}
