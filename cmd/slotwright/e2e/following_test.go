//go:build e2e

package e2e

import (
	"encoding/json"
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
)

// This file has what tests of the daemon need: a repository, the daemon itself,
// and what it tells.

// repo is a bare repository and somebody's working copy of it.
type repo struct {
	t          testing.TB
	bare, work string
}

func newRepo(b *bench) *repo {
	r := &repo{b.t, filepath.Join(b.dir, "topology.git"), filepath.Join(b.dir, "work")}
	r.run(b.dir, "init", "-q", "--bare", "-b", "main", r.bare)
	r.run(b.dir, "init", "-q", "-b", "main", r.work)
	r.git("remote", "add", "origin", r.bare)
	r.git("commit", "-q", "--allow-empty", "-m", "begin")
	r.git("push", "-q", "origin", "HEAD:begin") // the repository is never without a branch
	return r
}

func (r *repo) run(dir string, args ...string) string {
	r.t.Helper()
	return livetest.Git(r.t, dir, args...)
}

func (r *repo) git(args ...string) string { r.t.Helper(); return r.run(r.work, args...) }

// commit replaces the files of the branch, pushes, and returns the revision.
func (r *repo) commit(message string, files map[string]string) string {
	r.t.Helper()
	r.git("rm", "-r", "-f", "-q", "--ignore-unmatch", ".")
	for name, text := range files {
		path := filepath.Join(r.work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.push()
}

func (r *repo) push() string {
	r.t.Helper()
	r.git("push", "-q", "-f", "origin", "HEAD:main")
	return "main@sha1:" + r.git("rev-parse", "HEAD")
}

// text is a topology as write writes it.
func (b *bench) text(s shape) string {
	b.t.Helper()
	text, err := os.ReadFile(b.write("text.yaml", s))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// daemon is a running `slotwright run`.
type daemon struct {
	b       *bench
	cmd     *exec.Cmd
	log     string // file
	address string
	ended   chan struct{}
}

// follow starts a daemon that looks often.
func (b *bench) follow(source string, more ...string) *daemon {
	b.t.Helper()
	d := &daemon{b: b, log: filepath.Join(b.dir, fmt.Sprintf("daemon-%d.log", time.Now().UnixNano())), ended: make(chan struct{})}
	log, err := os.Create(d.log)
	if err != nil {
		b.t.Fatal(err)
	}
	defer log.Close()
	args := append([]string{"run", "--source", source, "--listen", "127.0.0.1:0", "--interval", "200ms", "--resync", "1s", "--failback-after", "1s"}, more...)
	d.cmd = exec.Command(binary, args...)
	d.cmd.Env, d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = b.env, b.dir, log, log
	if err := d.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	go func() { _ = d.cmd.Wait(); close(d.ended) }()
	b.t.Cleanup(func() {
		d.kill()
		if b.t.Failed() {
			b.t.Logf("log of the daemon:\n%s", d.words())
		}
	})
	d.until("it serves", time.Minute, func() bool {
		_, rest, found := strings.Cut(d.words(), "msg=serving address=")
		d.address, _, _ = strings.Cut(rest, " ")
		return found && strings.Contains(rest, "\n")
	})
	return d
}

func (d *daemon) words() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		d.b.t.Fatal(err)
	}
	return string(text)
}

// kill ends the daemon with SIGKILL, wherever it is.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill() // it may have ended
	<-d.ended
}

// stop asks the daemon to stop and demands that it does, well, in time.
func (d *daemon) stop() { d.b.t.Helper(); d.stopBy(os.Interrupt) }

func (d *daemon) stopBy(s os.Signal) {
	d.b.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.b.t.Fatal(err)
	}
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		d.b.t.Fatal("the daemon does not stop")
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 || strings.Contains(d.words(), "DATA RACE") {
		d.b.t.Errorf("the daemon ended with exit code %d", code)
	}
}

func (d *daemon) until(what string, patience time.Duration, yes func() bool) {
	d.b.t.Helper()
	if !livetest.Eventually(patience, yes) {
		d.b.t.Fatalf("not in %s: %s\n%s", patience, what, d.get("/api/v1/status"))
	}
}

func (d *daemon) get(path string) string {
	resp, err := http.Get("http://" + d.address + path)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// told is what a daemon says of itself, as far as tests look at it.
type told struct {
	Source struct {
		Revision, GoodRevision, Error string
		Mistakes                      []string
	}
	Standby  string
	Clusters []struct {
		Cluster, Health, Revision string
		InSync                    *bool
		SlotsServed               int
		Shards                    []struct{ SlotCount int }
		Plan                      plan
		Running                   []progress
	}
	Orphans []struct{ Cluster, Revision string }
}

func (d *daemon) tells() told {
	var out told
	_ = json.Unmarshal([]byte(d.get("/api/v1/status")), &out) // nothing, until it answers
	return out
}

// reaches waits until the one cluster is as a revision wants it, and looks at
// the cluster by other means.
func (d *daemon) reaches(revision string, masters int) {
	d.b.t.Helper()
	d.until(fmt.Sprintf("%s, %d masters", revision, masters), 2*time.Minute, func() bool {
		now := d.tells()
		if len(now.Clusters) != 1 {
			return false
		}
		c := now.Clusters[0]
		return c.Revision == revision && c.InSync != nil && *c.InSync && c.Health == "Healthy" && c.SlotsServed == 16384 && len(c.Shards) == masters
	})
	d.b.fleet.Check(d.b.t)
	if got := d.b.masters(0); len(got) != masters {
		d.b.t.Fatalf("the masters are %v, want %d", got, masters)
	}
}

// inSync reports whether the one cluster is as wanted, with so many masters.
func (d *daemon) inSync(masters int) bool {
	now := d.tells()
	if len(now.Clusters) != 1 {
		return false
	}
	c := now.Clusters[0]
	return c.InSync != nil && *c.InSync && c.SlotsServed == 16384 && len(c.Shards) == masters
}

// stays demands that a revision that must not change anything does not.
func (d *daemon) stays(what string, change func(), seen func(told) bool) {
	d.b.t.Helper()
	before := d.b.faces(first(3))
	change()
	d.until(what, 30*time.Second, func() bool { return seen(d.tells()) })
	at, wait := d.passes(), 2 // passes of a cluster; an orphan has none
	if len(d.tells().Clusters) == 0 {
		wait = 0
	}
	d.until(what+": two more passes", 30*time.Second, func() bool { return d.passes() >= at+wait })
	if after := d.b.faces(first(3)); after != before {
		d.b.t.Errorf("%s: the servers changed\n--- before\n%s\n--- after\n%s", what, before, after)
	}
}

// passes is how many passes have ended, as metrics tell.
func (d *daemon) passes() int {
	n := 0.0
	for name, value := range d.metrics() {
		if strings.HasPrefix(name, "slotwright_passes_total{") {
			n += value
		}
	}
	return int(n)
}

// metrics are what the daemon counts and measures, by name and labels.
func (d *daemon) metrics() map[string]float64 {
	out := map[string]float64{}
	for line := range strings.Lines(d.get("/metrics")) {
		at := strings.LastIndex(line, " ")
		if value, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64); err == nil && !strings.HasPrefix(line, "#") {
			out[line[:at]] = value
		}
	}
	return out
}
