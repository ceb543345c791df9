package simdial_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/sim"
	"github.com/slotwright/slotwright/reconcile/sim/simdial"
	"github.com/slotwright/slotwright/spec"
)

// settled is a world with a topology applied and keys written, and the state
// directory of its runs.
func settled(t *testing.T, servers int, want spec.Topology) (w *sim.World, keys map[string]string, state string) {
	t.Helper()
	w, state = newWorld(servers), t.TempDir()
	mustApply(t, w, want, state)
	return w, write(t, w, 60), state
}

// at calls do once, at the n-th writing command.
func at(n int, do func(w *sim.World)) func(*sim.World, string, []string) {
	var mu sync.Mutex
	return func(w *sim.World, _ string, args []string) {
		if len(args) == 0 || !simdial.Writes(args) {
			return
		}
		mu.Lock()
		n--
		now := n == 0
		mu.Unlock()
		if now {
			do(w)
		}
	}
}

// sent records the writing commands that servers got.
type sent struct {
	mu   sync.Mutex
	cmds []string
}

func (s *sent) after(_ *sim.World, addr string, args []string) {
	if len(args) == 0 || !simdial.Writes(args) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmds = append(s.cmds, addr+" "+strings.Join(args, " "))
}

func (s *sent) none(t *testing.T, verbs ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cmd := range s.cmds {
		for _, verb := range verbs {
			if strings.Contains(cmd, verb) {
				t.Errorf("sent %q", cmd)
			}
		}
	}
}

func sameKeys(t *testing.T, w *sim.World, keys map[string]string) {
	t.Helper()
	if lost := w.Astray(); len(lost) > 0 {
		t.Errorf("no client reaches %q", lost)
	}
	if !maps.Equal(w.Keys(), keys) {
		t.Errorf("%d keys are left of %d", len(w.Keys()), len(keys))
	}
}

// grown is a cluster that grew by the shard of servers 6 and 7, so that these
// leave when it shrinks again; the first is their master.
func grown(t *testing.T) (w *sim.World, keys map[string]string, state string) {
	t.Helper()
	w, _, state = settled(t, 8, topology(3, 1, 6))
	mustApply(t, w, topology(4, 1, 8), state)
	for i, want := range []string{"role:master", "role:slave"} {
		if v, err := w.Do(address(6+i), "INFO"); err != nil || !strings.Contains(v.(string), want) {
			t.Fatalf("server %d is not %s", 6+i, want)
		}
	}
	return w, w.Keys(), state
}

func TestALeavingShardThatCannotBeReachedIsNeverRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, keys, state := grown(t)
		w.Hide(address(6))
		w.Hide(address(7))
		var s sent
		w.After = s.after
		if r := apply(t, w, topology(3, 1, 6), nil, state); r.Sync() != reconcile.Held {
			t.Errorf("%s, holds %+v", r.Sync(), r.Plan.Holds)
		}
		s.none(t, "FORGET", "RESET", "ADDSLOTS", "DELSLOTS", "NODE")
		w.Show(address(6))
		w.Show(address(7))
		mustApply(t, w, topology(3, 1, 6), state)
		sameKeys(t, w, keys)
	})
}

func TestWithEverythingHiddenNothingIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, keys, state := grown(t)
		for i := range 8 {
			w.Hide(address(i))
		}
		var s sent
		w.After = s.after
		if r := apply(t, w, topology(3, 1, 6), nil, state); r.Sync() != reconcile.Held {
			t.Errorf("%s, holds %+v", r.Sync(), r.Plan.Holds)
		}
		s.none(t, " ")
		for i := range 8 {
			w.Show(address(i))
		}
		sameKeys(t, w, keys)
	})
}

func TestTheMasterOfALeavingShardDiesWhileItDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, keys, state := grown(t)
		w.After = at(3000, func(w *sim.World) { w.Kill(address(6)) })
		apply(t, w, topology(3, 1, 6), nil, state)
		w.After = nil
		w.Restart(address(6), true)
		mustApply(t, w, topology(3, 1, 6), state)
		sameKeys(t, w, keys)
	})
}

func TestAReplicaThatDiedForGoodIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, keys, state := settled(t, 7, topology(3, 1, 6))
		gone := -1
		for i := range 6 {
			if v, _ := w.Do(address(i), "INFO"); strings.Contains(v.(string), "role:slave") {
				gone = i
			}
		}
		w.Kill(address(gone))
		w.Ticks(10)
		want := topology(3, 1, 7)
		want.Platform.Static.Nodes = slices.Delete(want.Platform.Static.Nodes, gone, gone+1)
		mustApply(t, w, want, state)
		sameKeys(t, w, keys)
	})
}

func TestAMasterIsReplacedWithoutMovingASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, keys, state := settled(t, 7, topology(3, 1, 6))
		var s sent
		w.After = s.after
		mustApply(t, w, only(topology(3, 1, 7), 1, 2, 3, 4, 5, 6), state)
		s.none(t, "SETSLOT", "MIGRATE ")
		sameKeys(t, w, keys)
	})
}

// Both ends of a move that was cut off fail over, so that no mark is left. The
// keys that had arrived are astray then, until a run looks for them.
func TestKeysAreFoundWhenBothEndsOfAMoveFailOver(t *testing.T) {
	random := rand.New(rand.NewPCG(*seed, 2))
	for i := range max(*crashes, 2) {
		end := []spec.Topology{topology(3, 1, 6), topology(4, 1, 8)}[i%2] // taken back, or gone on with
		synctest.Test(t, func(t *testing.T) {
			w, keys, state := settled(t, 8, topology(3, 1, 6))
			n := 1 + random.IntN(8)
			t.Logf("seed %d: cut off after MIGRATE number %d", *seed, n)
			var gone atomic.Bool
			w.Fault = func(string, []string) error {
				if gone.Load() {
					return sim.ErrDown
				}
				return nil
			}
			migrates := new(atomic.Int64)
			w.After = func(_ *sim.World, _ string, args []string) {
				if len(args) > 0 && args[0] == "MIGRATE" && migrates.Add(1) == int64(n) {
					gone.Store(true)
				}
			}
			apply(t, w, topology(4, 1, 8), nil, state)
			w.Fault, w.After = nil, nil
			for i := range 8 {
				_, _ = w.Do(address(i), "CLUSTER", "FAILOVER") // a master refuses it
				w.Ticks(2)
			}
			w.Ticks(10)
			if len(w.Astray()) == 0 {
				t.Error("no key is astray, so this proves nothing")
			}
			mustApply(t, w, end, state)
			sameKeys(t, w, keys)
		})
	}
}

func TestAServerThatDiesInMidRunAndComesBackLosesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(*seed, 1))
	for _, c := range changes()[1:4] {
		t.Run(c.name, func(t *testing.T) {
			for range max(*crashes/2, 1) {
				synctest.Test(t, func(t *testing.T) {
					w, keys, state := settled(t, 9, c.from)
					victim, n := random.IntN(9), 1+random.IntN(8000)
					t.Logf("seed %d: server %d dies at write %d", *seed, victim, n)
					died := false
					w.After = at(n, func(w *sim.World) {
						w.Kill(address(victim))
						died = true
						go func() {
							time.Sleep(time.Duration(1+random.IntN(40)) * time.Second)
							w.Restart(address(victim), true)
						}()
					})
					apply(t, w, c.to, nil, state)
					time.Sleep(time.Minute)
					w.After = nil
					if died {
						w.Ticks(10)
					}
					mustApply(t, w, c.to, state)
					sameKeys(t, w, keys)
				})
			}
		})
	}
}
