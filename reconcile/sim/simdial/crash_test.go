package simdial_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotwright/slotwright/reconcile/sim"
	"github.com/slotwright/slotwright/reconcile/sim/simdial"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

var (
	crashes = flag.Int("crashes", 3, "crash points per change, each before and after the command")
	seed    = flag.Uint64("seed", uint64(time.Now().UnixNano()), "which crash points")
)

// guard checks after every writing command what must never be otherwise: every
// slot is served, every key can be reached, nobody is sent to a node that does
// not listen.
type guard struct {
	keyed slot.Set // slots that hold keys
	mu    sync.Mutex
	// closed are slots whose marks are being taken away: the target's first, so
	// that no new key lands there, and clients are sent to it in vain until the
	// source's is gone too.
	closed slot.Set
	found  []string
}

func newGuard(keys map[string]string) *guard {
	g := &guard{}
	for k := range keys {
		g.keyed.Add(slot.Of(k))
	}
	return g
}

func (g *guard) after(w *sim.World, addr string, args []string) {
	if len(args) == 0 || !simdial.Writes(args) {
		return
	}
	wrong := g.misdirected(w, args)
	if left := w.Unserved(); !left.Empty() {
		wrong = append(wrong, "nobody serves "+left.String())
	}
	if !g.bare(args) {
		if lost := w.Astray(); len(lost) > 0 {
			wrong = append(wrong, fmt.Sprintf("no client reaches %q", lost))
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, text := range wrong {
		g.found = append(g.found, fmt.Sprintf("after %q at %s: %s", strings.Join(args, " "), addr, text))
	}
}

func (g *guard) misdirected(w *sim.World, args []string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n, err := strconv.Atoi(args[min(2, len(args)-1)]); err == nil && strings.EqualFold(args[len(args)-1], "STABLE") {
		g.closed.Add(n)
	}
	var out []string
	for _, m := range w.Misdirected() {
		if !g.closed.Has(m.Slot) {
			out = append(out, m.String())
		}
	}
	return out
}

// bare says that a command is about a slot without keys.
func (g *guard) bare(args []string) bool {
	if len(args) < 4 || !strings.EqualFold(args[1], "SETSLOT") {
		return false
	}
	n, err := strconv.Atoi(args[2])
	return err == nil && !g.keyed.Has(n)
}

func (g *guard) check(t *testing.T) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.found) > 0 {
		t.Fatalf("%d times what must never be, first: %s", len(g.found), g.found[0])
	}
}

// change is a commit: from one topology to another.
type change struct {
	name     string
	from, to spec.Topology
}

func changes() []change {
	return []change{
		{"create", spec.Topology{}, topology(3, 1, 6)},
		{"grow by a shard", topology(3, 1, 6), topology(4, 1, 8)},
		{"shrink by a shard", topology(4, 1, 8), topology(3, 1, 6)},
		{"a second replica", topology(3, 1, 6), topology(3, 2, 9)},
		{"fewer replicas, more masters, the same nodes", topology(3, 1, 6), topology(6, 0, 6)},
		{"other servers for a shard", topology(3, 1, 6), only(topology(3, 1, 8), 1, 2, 3, 4, 6, 7)},
	}
}

// only keeps the servers with these numbers.
func only(want spec.Topology, numbers ...int) spec.Topology {
	var kept []spec.StaticNode
	for _, i := range numbers {
		kept = append(kept, want.Platform.Static.Nodes[i])
	}
	want.Platform.Static.Nodes = kept
	return want
}

func TestACrashAnywhereThenAFreshRunKeepsEveryKey(t *testing.T) {
	for _, c := range changes() {
		t.Run(c.name, func(t *testing.T) {
			var before *sim.World
			keys, state := map[string]string{}, t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				before = newWorld(9)
				if c.from.Masters > 0 {
					mustApply(t, before, c.from, state)
					keys = write(t, before, 60)
				}
			})
			writes := count(t, before, c.to)
			random := rand.New(rand.NewPCG(*seed, 0))
			for range *crashes {
				at := 1 + random.IntN(writes)
				for _, after := range []bool{false, true} {
					revert := c.from.Masters > 0 && random.IntN(2) == 0
					crash(t, before, c, keys, state, &simdial.Knife{At: at, After: after}, revert)
				}
			}
		})
	}
}

// count carries out a change without a crash and tells its writing commands.
func count(t *testing.T, before *sim.World, to spec.Topology) int {
	t.Helper()
	knife := &simdial.Knife{}
	synctest.Test(t, func(t *testing.T) {
		apply(t, before.Clone(), to, knife, t.TempDir())
	})
	return knife.Writes()
}

func crash(t *testing.T, before *sim.World, c change, keys map[string]string, roster string, knife *simdial.Knife, revert bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, g, state := before.Clone(), newGuard(keys), t.TempDir()
		if err := os.CopyFS(state, os.DirFS(roster)); err != nil {
			t.Fatal(err)
		}
		w.SlowBus = knife.At%2 == 0
		if c.from.Masters > 0 {
			w.After = g.after
		}
		apply(t, w, c.to, knife, state)
		_, last := knife.Cut()
		t.Logf("seed %d: cut at write %d %q, after %v, reverted %v", *seed, knife.At, last, knife.After, revert)
		end := c.to
		if revert {
			end = c.from
		}
		mustApply(t, w, end, state)
		g.check(t)
		if !maps.Equal(w.Keys(), keys) {
			t.Fatalf("%d keys are left of %d", len(w.Keys()), len(keys))
		}
	})
}
