//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// local is a topology of processes on this machine.
type local struct {
	*bench
	base int
}

// newLocal makes a place for local nodes, which are killed when the test ends.
func newLocal(t *testing.T) *local {
	t.Helper()
	dir := t.TempDir()
	l := &local{
		bench: &bench{t: t, dir: dir, env: append(os.Environ(), "SLOTWRIGHT_STATE_DIR="+filepath.Join(dir, "state"), "GORACE=halt_on_error=1 atexit_sleep_ms=50")},
		base:  20600 + os.Getpid()%100*20,
	}
	t.Cleanup(func() {
		pids, _ := filepath.Glob(filepath.Join(dir, "*", "*", "redis.pid"))
		for _, file := range pids {
			_ = syscall.Kill(pidIn(file), syscall.SIGKILL)
		}
	})
	return l
}

// pidIn is the process that a node's pid file names; one that can't be, without.
func pidIn(file string) int {
	text, _ := os.ReadFile(file)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		return 1 << 30
	}
	return pid
}

// write writes a topology of 3 masters with a replica each, with more lines of
// spec and of the platform.
func (l *local) write(more, platform string) string {
	l.t.Helper()
	text := fmt.Sprintf(`apiVersion: slotwright/v1alpha1
kind: RedisCluster
metadata:
  name: orders
spec:
  masters: 3
  replicasPerMaster: 1
  zones: [a, b, c]
%s  platform:
    local:
      server: %s
%s`, more, livetest.Program("server"), platform)
	path := filepath.Join(l.dir, "orders.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// in is the platform's lines for a directory.
func (l *local) in(directory string) string {
	return fmt.Sprintf("      directory: %s\n      basePort: %d\n", directory, l.base)
}

// nodes are the directories of nodes in directory.
func (l *local) nodes(directory string) []string {
	found, _ := filepath.Glob(filepath.Join(l.dir, directory, "*", "slotwright.json"))
	return found
}

// A directive that no running server takes: every node is restarted, every
// master turns once, and nobody turns back who need not.
func TestARestartOfAllNodesTurnsEveryMasterOnce(t *testing.T) {
	l := newLocal(t)
	l.apply(l.write("", l.in("data")))
	file := l.write("  config: {tcp-backlog: \"123\"}\n", l.in("data"))
	o := l.must(0, "apply", file, "--auto-approve", "-o", "json")
	turns, restarts := 0, 0
	for events := json.NewDecoder(strings.NewReader(o.stdout)); events.More(); {
		var e event
		if err := events.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if e.stage("began", "Promote") {
			turns++
		}
		if e.stage("began", "Restart") {
			restarts++
		}
	}
	if turns != 3 || restarts != 6 {
		t.Errorf("%d promotions and %d restarts", turns, restarts)
	}
	l.settled(file)
}

// A node has crashed and the run that removes the cluster is killed: the next
// one leaves nothing behind.
func TestAClusterIsRemovedToTheLastDirectory(t *testing.T) {
	l := newLocal(t)
	l.apply(l.write("", l.in("data")))
	crashed := pidIn(filepath.Join(l.dir, "data", "b-1", "redis.pid"))
	if err := syscall.Kill(crashed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	file := l.write("  state: Absent\n  allow: {delete: orders}\n", l.in("data"))
	r := l.begin(file)
	if !livetest.Eventually(time.Minute, func() bool { return len(l.nodes("data")) < 6 }) {
		t.Fatal("nothing is removed")
	}
	r.kill()
	l.must(0, "apply", file, "--auto-approve")
	if left, _ := filepath.Glob(filepath.Join(l.dir, "data", "*", "*")); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	if o := l.must(0, "status", file); !strings.Contains(o.stdout, "orders: Absent, in sync") || strings.Contains(o.stdout, "!") {
		t.Errorf("a removed cluster is told as %v", o)
	}
}

// The file names another directory, and later another port: there is no second
// cluster, and it is said why.
func TestALocalClusterIsNotMadeTwice(t *testing.T) {
	l := newLocal(t)
	l.apply(l.write("", l.in("data")))
	moved := l.write("", l.in("other"))
	l.heldBy(moved, "Elsewhere", filepath.Join(l.dir, "data"), filepath.Join(l.dir, "other"))
	if found := l.nodes("other"); len(found) > 0 {
		t.Errorf("made were %v", found)
	}
	l.heldBy(l.write("  state: Absent\n  allow: {delete: orders}\n", l.in("other")), "Elsewhere")
	if found := l.nodes("data"); len(found) != 6 {
		t.Errorf("left are %v", found)
	}
	base := l.base
	l.base += 400
	ported := l.write("", l.in("data"))
	l.base = base
	if o := l.must(0, "plan", ported, "--detailed-exitcode"); !strings.Contains(o.stdout, fmt.Sprint("basePort: ", base)) {
		t.Errorf("of the port it says %v", o)
	}
}
