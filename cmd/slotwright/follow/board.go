package follow

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// Board is what a daemon knows at the moment. Its methods may be called at any
// time from anywhere.
type Board struct {
	mu       sync.Mutex
	now      Known
	clusters map[string]*Cluster
	watches  []chan struct{}
}

// Known is what a daemon knew at one moment.
type Known struct {
	Standby  string        // who leads instead; "" when this process does
	Seen     string        // the last revision, good or not
	Good     string        // the last one without a mistake
	Mistakes spec.Mistakes // of the revision seen
	Looked   time.Time     // when the source was last looked at
	Read     time.Time     // when it could last be read
	Error    string        // why the last look failed; "" when it did not
	Clusters []Cluster     // by name
	Orphans  []Orphan      // by name
}

// Cluster is what is known of one cluster.
type Cluster struct {
	Name, Revision, Signer string
	Want                   spec.Topology
	// Pass is the revision that passes are for. It is older than Revision while
	// a pass for another topology comes to its end.
	Pass string
	// Result is of the last pass, with what was seen and planned since. It is
	// empty before the first look.
	Result   reconcile.Result
	Passed   time.Time       // when the last pass ended
	Observed time.Time       // when what is in Result was seen
	Running  []plan.Progress // of the stage at hand, in its order
	// Last is how the last pass for this topology ended by itself, nil before
	// that. It does not change while a pass runs, as Result does.
	Last *reconcile.Result
	// Acting says that the pass that runs has begun a stage.
	Acting bool
	// Stale says that Result is about an older topology: the cluster was not
	// looked at for this one yet.
	Stale  bool
	opened bool // what is told is about this topology
}

// Orphan is a cluster that the source does not name any more.
type Orphan struct {
	Name, Revision string // the last revision that named it
	Since          time.Time
}

// NewBoard is an empty board.
func NewBoard() *Board { return &Board{clusters: map[string]*Cluster{}} }

// Watch has a value whenever something is news, be it one thing or many: every
// step counts, and how far it has come does not. There is one channel for each
// call.
func (b *Board) Watch() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	watch := make(chan struct{}, 1)
	b.watches = append(b.watches, watch)
	return watch
}

// poke tells those who watch. It needs b.mu and never blocks.
func (b *Board) poke() {
	for _, watch := range b.watches {
		select {
		case watch <- struct{}{}:
		default:
		}
	}
}

// Now is all that is known. It does not change afterwards.
func (b *Board) Now() Known {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.now
	out.Orphans = slices.Clone(b.now.Orphans)
	for _, name := range slices.Sorted(maps.Keys(b.clusters)) {
		c := *b.clusters[name]
		c.Running = slices.Clone(c.Running)
		out.Clusters = append(out.Clusters, c)
	}
	return out
}

// Cluster is what is known of one cluster; empty for one that is not wanted.
func (b *Board) Cluster(name string) Cluster {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.clusters[name]; c != nil {
		return *c
	}
	return Cluster{Name: name}
}

// Looked notes how a look at the source ended.
func (b *Board) Looked(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.poke()
	b.now.Looked, b.now.Error = time.Now(), ""
	if err != nil {
		b.now.Error = err.Error()
		return
	}
	b.now.Read = b.now.Looked
}

// Standby notes who leads; "" is this process.
func (b *Board) Standby(holder string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.Standby = holder
}

// turn notes what the source wants.
func (b *Board) turn(book *book) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.poke()
	b.now.Seen, b.now.Good, b.now.Mistakes, b.now.Orphans = book.newest(), book.good, book.mistakes, nil
	for name, e := range book.entries {
		if !e.Orphaned.IsZero() {
			delete(b.clusters, name)
			b.now.Orphans = append(b.now.Orphans, Orphan{name, e.Revision, e.Orphaned})
			continue
		}
		c := b.clusters[name]
		if c == nil {
			c = &Cluster{Name: name, Result: reconcile.Result{Cluster: name}}
			b.clusters[name] = c
		}
		if !alike(c.Want, e.Topology) {
			c.Stale, c.opened, c.Last, c.Acting = true, false, nil, false
		}
		c.Revision, c.Signer, c.Want = e.Revision, e.Signer, e.Topology
		if c.opened {
			c.Pass = c.Revision
		}
	}
	slices.SortFunc(b.now.Orphans, func(a, b Orphan) int { return cmp.Compare(a.Name, b.Name) })
}

// alike reports whether two topologies want the same, wherever they are written.
func alike(a, b spec.Topology) bool {
	a.File, a.Line, b.File, b.Line = "", 0, "", 0
	return reflect.DeepEqual(a, b)
}

// opened notes that a cluster is opened for a topology: what is told of it from
// now on is about that.
func (b *Board) opened(want spec.Topology) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.clusters[want.Name]; c != nil && alike(c.Want, want) {
		c.opened, c.Pass = true, c.Revision
	}
}

// event notes what happens during a pass. A cluster that became an orphan may
// still speak until its pass has stopped.
func (b *Board) event(e reconcile.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.clusters[e.Cluster]
	if c == nil {
		return
	}
	if e.What != reconcile.Advanced {
		defer b.poke()
	}
	switch e.What {
	case reconcile.Planned:
		c.Result.Plan, c.Result.Seen, c.Result.Observed = e.Plan, e.Seen, true
		c.Observed, c.Stale = time.Now(), !c.opened
	case reconcile.Began:
		c.Running, c.Acting = nil, c.opened
		for _, s := range e.Stage {
			c.Running = append(c.Running, plan.Progress{Step: s})
		}
	case reconcile.Advanced:
		for i, p := range c.Running {
			if sameDeed(p.Step, e.Progress.Step) {
				c.Running[i] = e.Progress
			}
		}
	case reconcile.Ended:
		c.Running = nil
	}
}

func sameDeed(a, b plan.Step) bool {
	return a.Kind == b.Kind && a.Node == b.Node && a.From == b.From && a.To == b.To
}

// result notes the end of a pass.
func (b *Board) result(r reconcile.Result, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.poke()
	c := b.clusters[r.Cluster]
	if c == nil {
		return
	}
	c.Result, c.Passed, c.Running, c.Stale = r, now, nil, !c.opened
	if c.Acting = false; c.opened && !errors.Is(r.Err, context.Canceled) {
		c.Last = &r
	}
	if r.Observed {
		c.Observed = now
	}
}
