package reconcile

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// looping runs a loop over clusters by name and collects what it says.
type looping struct {
	mu       sync.Mutex
	clusters map[string]*rehearsal
	connects map[string]int
	results  map[string][]Result
	wants    chan []spec.Topology
	stop     context.CancelFunc
	ended    chan struct{}
}

func loop(t *testing.T, clusters map[string]*rehearsal) *looping {
	ctx, stop := context.WithCancel(t.Context())
	l := &looping{
		clusters: clusters, connects: map[string]int{}, results: map[string][]Result{},
		wants: make(chan []spec.Topology), stop: stop, ended: make(chan struct{}),
	}
	run := &Loop{
		Every: time.Minute, Patience: time.Second,
		Connect: func(want spec.Topology) (Cluster, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.connects[want.Name]++
			if c := l.clusters[want.Name]; c != nil {
				return c, nil
			}
			return nil, errors.New("no such cluster")
		},
		Result: func(r Result) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.results[r.Cluster] = append(l.results[r.Cluster], r)
		},
	}
	go func() { run.Run(ctx, l.wants); close(l.ended) }()
	return l
}

// passes is how many passes of a cluster have ended.
func (l *looping) passes(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.results[name])
}

func (l *looping) last(name string) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.results[name][len(l.results[name])-1]
}

func (l *looping) end() {
	l.stop()
	<-l.ended
}

func called(name string, masters int) spec.Topology {
	want := topology(masters)
	want.Name = name
	return want
}

func TestLoopPassesAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loop(t, map[string]*rehearsal{"orders": three(t)})
		l.wants <- []spec.Topology{called("orders", 3)}
		time.Sleep(10*time.Minute + 30*time.Second)
		if n := l.passes("orders"); n < 9 || n > 12 {
			t.Errorf("%d passes in ten minutes", n)
		}
		if n := l.connects["orders"]; n != 1 {
			t.Errorf("connected %d times to a cluster in sync", n)
		}
		l.end()
		if c := l.clusters["orders"]; c.rests != l.passes("orders") {
			t.Errorf("it rested %d times after %d passes", c.rests, l.passes("orders"))
		}
	})
}

func TestLoopLooksAtOnceWhenNodesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.changed = make(chan struct{}, 1)
		l := loop(t, map[string]*rehearsal{"orders": c})
		l.wants <- []spec.Topology{called("orders", 3)}
		synctest.Wait()
		before := l.passes("orders")
		c.changed <- struct{}{}
		synctest.Wait()
		if n := l.passes("orders") - before; n != 1 {
			t.Errorf("%d passes after a change, before the time of the next", n)
		}
		l.end()
	})
}

func TestLoopRepairsDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		l := loop(t, map[string]*rehearsal{"orders": c})
		l.wants <- []spec.Topology{called("orders", 4)}
		synctest.Wait()
		if r := l.last("orders"); r.Sync() != InSync || len(r.Done) == 0 {
			t.Fatalf("first pass ends %s", r.Sync())
		}
		l.wants <- []spec.Topology{called("orders", 3)}
		time.Sleep(2 * time.Minute)
		l.end()
		if n := len(plan.Make(topology(3), c.now).Steps); n > 0 {
			t.Errorf("%d steps are left after the topology was changed back", n)
		}
	})
}

func TestLoopOneBrokenClusterStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := three(t, "a-2", "b-2")
		stuck.do = func(ctx context.Context, _ []plan.Step, _ func(plan.Progress)) error {
			<-ctx.Done()
			return ctx.Err()
		}
		l := loop(t, map[string]*rehearsal{"good": three(t), "stuck": stuck})
		l.wants <- []spec.Topology{called("gone", 3), called("stuck", 4), called("good", 3)}
		time.Sleep(30*time.Minute + 30*time.Second)
		if n := l.passes("good"); n < 28 {
			t.Errorf("%d passes of the good one in half an hour", n)
		}
		if n := l.passes("gone"); n < 4 || n > 8 {
			t.Errorf("%d passes in half an hour of one that cannot be reached: no backoff, or no end of it", n)
		}
		if n := l.passes("stuck"); n < 15 || !has(l.last("stuck"), plan.NoProgress) {
			t.Errorf("%d passes of one whose steps stand still, the last holds %v", n, l.last("stuck").Plan.Holds)
		}
		l.end()
	})
}

func TestLoopANewTopologyStopsTheOldRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		var cut time.Duration
		begun := time.Now()
		c.do = func(ctx context.Context, stage []plan.Step, _ func(plan.Progress)) error {
			<-ctx.Done()
			cut = time.Since(begun)
			return context.Cause(ctx)
		}
		l := loop(t, map[string]*rehearsal{"orders": c})
		l.wants <- []spec.Topology{called("orders", 4)}
		time.Sleep(500 * time.Millisecond)
		moved := called("orders", 4)
		moved.Line = 7 // written elsewhere, the same wish
		l.wants <- []spec.Topology{moved}
		synctest.Wait()
		if cut != 0 {
			t.Error("the same topology on another line stopped the run")
		}
		l.wants <- []spec.Topology{called("orders", 3)}
		synctest.Wait()
		if cut != 500*time.Millisecond {
			t.Errorf("the old run was stopped after %s", cut)
		}
		if n := l.passes("orders"); n != 1 || l.last("orders").Sync() == Unknown {
			t.Errorf("%d results; the run that was stopped is no news", n)
		}
		l.end()
	})
}

// A topology that changes while its cluster rests has its cluster opened anew:
// the nodes it names are not those that the old one was opened with.
func TestLoopOpensTheClusterOfAChangedTopology(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loop(t, map[string]*rehearsal{"orders": three(t, "a-2", "b-2")})
		l.wants <- []spec.Topology{called("orders", 3)}
		synctest.Wait()
		if r := l.last("orders"); r.Sync() != InSync {
			t.Fatalf("first pass ends %s", r.Sync())
		}
		l.wants <- []spec.Topology{called("orders", 4)}
		synctest.Wait()
		if n := l.connects["orders"]; n != 2 {
			t.Errorf("connected %d times for two topologies", n)
		}
		if r := l.last("orders"); r.Sync() != InSync || len(r.Done) == 0 {
			t.Errorf("the second pass ends %s", r.Sync())
		}
		l.end()
	})
}

func TestLoopLeavesAloneWhatIsNoLongerNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		l := loop(t, map[string]*rehearsal{"orders": c, "other": three(t)})
		l.wants <- []spec.Topology{called("orders", 3), called("other", 3)}
		synctest.Wait()
		l.wants <- []spec.Topology{called("other", 3)}
		synctest.Wait()
		before := c.looks
		time.Sleep(10 * time.Minute)
		l.end()
		if c.looks != before || len(c.did) > 0 {
			t.Errorf("looked %d more times, did %v", c.looks-before, c.did)
		}
		if l.passes("other") < 8 {
			t.Error("the other one stopped as well")
		}
	})
}
