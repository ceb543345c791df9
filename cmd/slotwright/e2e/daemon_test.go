//go:build e2e

package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A cluster is created, grown and shrunk by commits, under clients. In between
// come a typo, an empty file, a file and a branch that are gone: none of them
// changes anything, and status says what is the matter.
func TestTheClusterIsWhatTheLastGoodCommitSays(t *testing.T) {
	const keys = 20_000
	b := newBench(t, livetest.Options{Servers: 4})
	r := newRepo(b)
	three, four := b.text(shape{masters: 3, nodes: first(3)}), b.text(shape{masters: 4, nodes: first(4)})
	rev := r.commit("create", map[string]string{"prod/orders.yaml": three, "README.md": "words"})
	d := b.follow("file://"+r.bare, "--branch", "main", "--path", "prod")
	d.reaches(rev, 3)
	b.fleet.Write(t, keys, 64)
	traffic := b.fleet.Traffic(2, time.Millisecond)

	d.reaches(r.commit("grow", map[string]string{"prod/orders.yaml": four}), 4)
	good := r.commit("shrink", map[string]string{"prod/orders.yaml": three})
	d.reaches(good, 3)

	kept(t, traffic.Stop()) // the keys are compared from here on

	bad := func(words ...string) func(told) bool {
		return func(now told) bool {
			mistakes := strings.Join(now.Source.Mistakes, "\n")
			for _, w := range words {
				if !strings.Contains(mistakes, w) {
					return false
				}
			}
			return now.Source.GoodRevision == good && now.Source.Revision != good && len(now.Clusters) == 1 &&
				now.Clusters[0].Revision == good && *now.Clusters[0].InSync
		}
	}
	d.stays("a typo", func() {
		r.commit("typo", map[string]string{"prod/orders.yaml": strings.Replace(four, "masters:", "mastres:", 1)})
	}, bad("prod/orders.yaml:6", "mastres"))
	d.stays("an empty file", func() { r.commit("empty", map[string]string{"prod/orders.yaml": ""}) }, bad("prod/orders.yaml", "empty"))
	d.stays("no file at all", func() { r.commit("gone", map[string]string{"other/orders.yaml": four}) }, func(now told) bool {
		return strings.Contains(strings.Join(now.Source.Mistakes, "\n"), "folder prod is not in the commit") &&
			len(now.Clusters) == 1 && now.Clusters[0].Revision == good && now.Source.Revision != good && now.Source.Error == ""
	})
	d.stays("a deleted branch", func() { r.run(r.bare, "update-ref", "-d", "refs/heads/main") }, func(now told) bool {
		return strings.Contains(now.Source.Error, "not on the server") && len(now.Clusters) == 1
	})
	d.stays("a deleted file beside another", func() {
		r.commit("only another", map[string]string{"prod/other.yaml": strings.NewReplacer("name: orders", "name: other", "127.", "126.").Replace(three) + "  suspend: true\n"})
	}, func(now told) bool {
		return len(now.Orphans) == 1 && now.Orphans[0].Cluster == "orders" && now.Orphans[0].Revision == good && now.Source.Error == ""
	})
	if text := d.get("/metrics"); !strings.Contains(text, `slotwright_cluster_orphaned{cluster="orders"} 1`) {
		t.Errorf("metrics do not tell of the orphan:\n%s", text)
	}
	d.reaches(r.commit("grow again", map[string]string{"prod/orders.yaml": four}), 4)
	mentions(t, d.words(), "mastres", "prod/orders.yaml:6", "orphaned", "not on the server", "Move ")
	b.fleet.Read(t, keys, 64)
	d.stop()
}

// moving waits until slots are on their way: until some have arrived, or keys of
// them, where not all come at once.
func (d *daemon) moving() {
	d.b.t.Helper()
	d.until("slots move", time.Minute, func() bool {
		for _, c := range d.tells().Clusters {
			for _, p := range c.Running {
				if p.Step.Kind == "Move" && (p.Done > 0 || p.Keys > 0 || d.b.wholeSlots()) {
					return true
				}
			}
		}
		return false
	})
}

// A shrink is taken back while a shard drains; a grow is cut off by SIGKILL, and
// goes on in a new daemon, also while the repository can't be reached.
func TestACommitTakenBackOrADaemonKilledInTheMiddleLosesNothing(t *testing.T) {
	const keys = 300_000
	b := newBench(t, livetest.Options{Servers: 4, Config: keyByKey()})
	r := newRepo(b)
	three := map[string]string{"orders.yaml": b.text(shape{masters: 3, nodes: first(3)})}
	four := map[string]string{"orders.yaml": b.text(shape{masters: 4, nodes: first(4)})}
	d := b.follow("file://" + r.bare + "/") // nothing to read there yet
	d.reaches(r.commit("four", four), 4)
	b.fleet.Write(t, keys, 64)
	traffic := b.fleet.Traffic(2, time.Millisecond)

	r.commit("shrink", three)
	d.moving()
	d.reaches(r.commit("take it back", four), 4)
	b.fleet.Read(t, keys, 64)

	shrink := r.commit("shrink again", three)
	d.moving()
	d.kill()
	d = b.follow("file://" + r.bare + "/")
	d.moving()
	d.kill()
	away := r.bare + ".away"
	if err := os.Rename(r.bare, away); err != nil {
		t.Fatal(err)
	}
	d = b.follow("file://" + r.bare + "/")
	d.reaches(shrink, 3)
	if now := d.tells(); now.Source.Error == "" || now.Source.Revision != shrink {
		t.Errorf("the source is %+v", now.Source)
	}
	if body := d.get("/readyz"); body == "ok\n" {
		t.Error("it calls itself ready and could not read its source")
	}
	if err := os.Rename(away, r.bare); err != nil {
		t.Fatal(err)
	}
	b.givenBack()
	d.reaches(r.commit("four again", four), 4)
	if body := d.get("/readyz"); body != "ok\n" {
		t.Errorf("not ready: %s", body)
	}
	kept(t, traffic.Stop())
	b.fleet.Read(t, keys, 64)
	d.stop()
}

// One of two daemons stands by and takes over when the other dies. A webhook with
// the right signature is all that makes it look; it remembers which history the
// branch had.
func TestAStandbyTakesOverAndHearsWebhooks(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 3})
	r := newRepo(b)
	secret := filepath.Join(b.dir, "hook")
	if err := os.WriteFile(secret, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	two := map[string]string{"orders.yaml": b.text(shape{masters: 2, nodes: first(2)})}
	args := []string{"--interval", "1h", "--branch", "main", "--require-fast-forward", "--hook-secret-file", secret}
	base := r.commit("two", two)
	a := b.follow("file://"+r.bare, args...)
	a.reaches(base, 2)
	s := b.follow("file://"+r.bare, args...)
	s.until("it stands by", time.Minute, func() bool { return strings.HasPrefix(s.tells().Standby, "process ") })
	if got := s.get("/readyz") + s.get("/healthz"); got != "ok\nok\n" {
		t.Errorf("a standby says %q", got)
	}
	a.kill()
	s.reaches(base, 2)

	grown := r.commit("three", map[string]string{"orders.yaml": b.text(shape{masters: 3, nodes: first(3)})})
	if code := s.hook("wrong", "refs/heads/main"); code != http.StatusForbidden {
		t.Errorf("a wrong signature: status %d", code)
	}
	if code := s.hook("0123456789abcdef", "refs/heads/other"); code != http.StatusOK {
		t.Errorf("another branch: status %d", code)
	}
	if now := s.tells(); now.Source.Revision != base {
		t.Errorf("it looked: %s", now.Source.Revision)
	}
	if code := s.hook("0123456789abcdef", "refs/heads/main"); code != http.StatusAccepted {
		t.Errorf("a push: status %d", code)
	}
	s.reaches(grown, 3)

	s.kill()
	r.git("checkout", "-q", "--orphan", "rewritten")
	r.commit("rewritten", two)
	s = b.follow("file://"+r.bare, args...)
	s.stays("a rewritten history after a restart", func() {}, func(now told) bool {
		return strings.Contains(strings.Join(now.Source.Mistakes, "\n"), "does not descend") && len(now.Clusters) == 1 && now.Clusters[0].Revision == grown
	})
	s.stop()
}

// hook tells of a push as GitHub does.
func (d *daemon) hook(secret, ref string) int {
	d.b.t.Helper()
	body := fmt.Appendf(nil, `{"ref":%q}`, ref)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	req, err := http.NewRequest(http.MethodPost, "http://"+d.address+"/hooks/github", bytes.NewReader(body))
	if err != nil {
		d.b.t.Fatal(err)
	}
	req.Header.Set("X-Hub-Signature-256", fmt.Sprintf("sha256=%x", mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.b.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// With --once the exit code tells what came of it, and with --mode detect nothing
// is changed.
func TestOnceEndsWithWhatCameOfIt(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 4})
	dir := filepath.Join(b.dir, "topologies")
	save := func(text string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "orders.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	once := func(code int, more ...string) outcome {
		t.Helper()
		return b.must(code, append([]string{"run", "--once", "--source", dir}, more...)...)
	}
	mentions(t, once(1).stderr, "topologies")
	save(b.text(shape{masters: 4, nodes: first(4)}))
	b.untouched(first(4), func() { once(0, "--mode", "detect") })
	once(0)
	b.fleet.Check(t)
	mentions(t, once(0).stdout, "no changes")
	save("apiVersion: slotwright/v1alpha1\nkind: Rediscluster\n")
	b.untouched(first(4), func() { mentions(t, once(1).stderr, "orders.yaml:2") })
	save(b.text(shape{masters: 1, nodes: first(1)}))
	b.untouched(first(4), func() { mentions(t, once(3).stdout, "ShrinkTo", "allow.shrinkTo") })
}
