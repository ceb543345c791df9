//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// screen is what a command has printed so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// watch begins to watch a directory. It ends with the test, well.
func (b *bench) watch(args ...string) *screen {
	b.t.Helper()
	s := &screen{}
	cmd := exec.Command(binary, append([]string{"watch"}, args...)...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = b.env, b.dir, s, s
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		if err := cmd.Wait(); err != nil {
			b.t.Errorf("watch ended with %v\n%s", err, s)
		}
	})
	return s
}

func (b *bench) sees(s *screen, words ...string) {
	b.t.Helper()
	for _, w := range words {
		if !livetest.Eventually(time.Minute, func() bool { return strings.Contains(s.String(), w) }) {
			b.t.Fatalf("%q is not printed in a minute:\n%s", w, s)
		}
	}
}

// What is saved is applied; a mistake is told and a vanished file left alone;
// with --plan-only nothing is ever changed.
func TestWatchAppliesOnSave(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 4})
	dir := filepath.Join(b.dir, "watched")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	save := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	three, four := b.text(shape{masters: 3, nodes: first(3)}), b.text(shape{masters: 4, nodes: first(4)})
	masters := func(n int) {
		t.Helper()
		b.until("masters", func() bool { return len(b.masters(0)) == n })
		b.fleet.Check(t)
	}
	save("orders.yaml", three)
	b.untouched(first(4), func() { b.sees(b.watch(dir, "--plan-only"), "Meet 3 nodes", "Plan: ") })

	s := b.watch(dir)
	b.sees(s, "the cluster is as its topology wants it")
	masters(3)
	b.fleet.Write(t, 5000, 32)
	save("orders.yaml", four)
	b.sees(s, "Meet n3", "done: Move")
	masters(4)
	b.until("all have heard of it", func() bool { return b.plan(filepath.Join(dir, "orders.yaml")).State == "InSync" })
	b.settled(filepath.Join(dir, "orders.yaml"))
	b.untouched(first(4), func() {
		save("orders.yaml", strings.Replace(three, "masters:", "mastres:", 1))
		b.sees(s, "orders.yaml:6", "mastres")
		save("other.yaml", strings.NewReplacer("name: orders", "name: other", "127.", "126.").Replace(three)+"  suspend: true\n")
		if err := os.Remove(filepath.Join(dir, "orders.yaml")); err != nil {
			t.Fatal(err)
		}
		b.sees(s, "orphaned")
	})
	b.fleet.Read(t, 5000, 32)
}
