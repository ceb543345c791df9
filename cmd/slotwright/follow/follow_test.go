package follow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotwright/slotwright/gitsync"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// script is a source that hands out what a test says, one answer per look.
type script struct {
	answers chan answer
	had     []string
	looked  func(error)
}

// answer without anything is a look that found nothing new.
type answer struct {
	snapshot gitsync.Snapshot
	err      error
}

func (s *script) Next(ctx context.Context, have string) (gitsync.Snapshot, error) {
	s.had = append(s.had, have)
	for {
		select {
		case a := <-s.answers:
			s.looked(a.err)
			if a.err != nil || a.snapshot.Revision != "" {
				return a.snapshot, a.err
			}
		case <-ctx.Done():
			return gitsync.Snapshot{}, ctx.Err()
		}
	}
}

func (*script) Wake()        {}
func (*script) Close() error { return nil }

// idle is a cluster that can't be asked.
type idle struct{}

func (idle) Observe(context.Context) (cluster.State, error) { return cluster.State{}, nil }
func (idle) Do(context.Context, cluster.State, []plan.Step, func(plan.Progress)) error {
	return errors.New("not here")
}
func (idle) Lock(context.Context) (func(), string, error) { return nil, "a test", nil }
func (idle) Tidy(context.Context, cluster.State) error    { return nil }

// rig is a follower with a scripted source, and what it asked to connect to.
type rig struct {
	*Follower
	source *script
	mu     sync.Mutex
	asked  []string
}

func newRig(t *testing.T, m *Memory) *rig {
	r := &rig{source: &script{answers: make(chan answer)}}
	r.Follower = &Follower{
		Source: r.source, Memory: m, Board: NewBoard(), Log: slog.New(slog.DiscardHandler),
		Loop: reconcile.Loop{
			Every: time.Hour, Patience: time.Second, Event: func(reconcile.Event) {}, Result: func(reconcile.Result) {},
			Connect: func(want spec.Topology) (reconcile.Cluster, error) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.asked = append(r.asked, want.Name+strings.Repeat("+", want.Masters))
				return idle{}, nil
			},
		},
	}
	r.source.looked = r.Looked
	return r
}

// runs runs the follower while the rest of the test does something.
func (r *rig) runs(t *testing.T, do func()) {
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	synctest.Wait()
	do()
	stop()
	running.Wait()
}

func (r *rig) says(a answer) {
	r.source.answers <- a
	synctest.Wait()
}

// tried is what was asked for since the last call.
func (r *rig) tried() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.asked = nil }()
	return strings.Join(r.asked, " ")
}

var (
	three = map[string]string{"o.yaml": text("orders", 1, 2, 3)}
	four  = map[string]string{"o.yaml": text("orders", 1, 2, 3, 4)}
)

func TestAFollowerActsOnWhatWasLastGood(t *testing.T) {
	m := remembering(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, m)
		r.runs(t, func() {
			if got := r.tried(); got != "" {
				t.Errorf("it acted on %q before it looked at the source", got)
			}
			for i, step := range []struct {
				answer answer
				want   string // what a new pass began for
				seen   string // the revision on the board
			}{
				{answer{err: errors.New("no route")}, "", ""},
				{answer{snapshot: snap("r1", three)}, "orders+++", "r1"},
				{answer{err: errors.New("no route")}, "", "r1"},
				{answer{snapshot: snap("r2", map[string]string{"o.yaml": typo})}, "", "r2"},
				{answer{snapshot: snap("r3", four)}, "orders++++", "r3"},
				{answer{snapshot: snap("r4", map[string]string{"s.yaml": text("sessions", 11)})}, "sessions+", "r4"},
			} {
				r.says(step.answer)
				if got := r.tried(); got != step.want || r.Board.Now().Seen != step.seen {
					t.Errorf("answer %d: tried %q, want %q; the board has %s", i, got, step.want, r.Board.Now().Seen)
				}
			}
			if known := r.Board.Now(); len(known.Orphans) != 1 || known.Orphans[0].Name != "orders" || len(known.Clusters) != 1 {
				t.Errorf("known is %+v", known)
			}
		})
		if got := strings.Join(r.source.had, ","); got != ",,r1,r1,r2,r3,r4" {
			t.Errorf("the source was told %s", got)
		}
	})
}

// A commit that is refused as a whole is told of like one with a typo, at once;
// only where it has no file at all it names no cluster.
func TestACommitThatIsRefusedIsAMistake(t *testing.T) {
	m := remembering(t, t.TempDir())
	refused := func(revision string, why error) answer {
		return answer{err: fmt.Errorf("pull r: %w", &gitsync.Refused{Revision: revision, Reason: why.Error(), Cause: why})}
	}
	link := errors.New("a.yaml is a symbolic link")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, m)
		r.Origin.Shown = "prod"
		r.runs(t, func() {
			for i, step := range []struct {
				answer  answer
				tries   string // what a new pass began for
				seen    string
				mistake string
				orphans int
			}{
				{answer{snapshot: snap("r1", three)}, "orders+++", "r1", "", 0},
				{refused("r2", link), "", "r2", "prod: a.yaml is a symbolic link", 0},
				{refused("r2", link), "", "r2", "prod: a.yaml is a symbolic link", 0},
				{answer{err: errors.New("no route")}, "", "r2", "symbolic link", 0},
				{answer{snapshot: snap("r1", three)}, "", "r1", "", 0}, // taken back
				{refused("r3", gitsync.ErrNoFiles), "", "r3", "removes nothing", 1},
				{answer{snapshot: snap("r4", four)}, "orders++++", "r4", "", 0},
				{refused("r5", gitsync.ErrRewritten), "", "r5", "push a commit that descends", 0},
			} {
				r.says(step.answer)
				known := r.Board.Now()
				if got := r.tried(); got != step.tries || known.Seen != step.seen || len(known.Orphans) != step.orphans {
					t.Errorf("answer %d: tried %q, the board has %s and %v", i, got, known.Seen, known.Orphans)
				}
				if got := known.Mistakes.Error(); (got == "") != (step.mistake == "") || !strings.Contains(got, step.mistake) {
					t.Errorf("answer %d: the mistake is %q, want %q", i, got, step.mistake)
				}
			}
		})
		if got := strings.Join(r.source.had, ","); got != ",r1,,,,r1,,r4," {
			t.Errorf("the source was told %s", got)
		}
	})
	// What is refused is no history to go on from.
	if seen(t, m) != "r4" {
		t.Errorf("%s is remembered as seen", seen(t, m))
	}
}

func TestATroubleOfTheSourceIsLoggedWhenItComesAndWhenItGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRig(t, nil)
		r.Log = slog.New(slog.NewTextHandler(&log, nil))
		away := answer{err: errors.New("no route")}
		r.runs(t, func() {
			for i, step := range []struct {
				answer answer
				want   string
			}{
				{answer{snapshot: snap("r1", three)}, "msg=read"},
				{away, "no route"},
				{away, ""},
				{answer{err: errors.New("not trusted")}, "not trusted"},
				{answer{}, "can be read again"},
				{answer{}, ""},
				{away, "no route"}, // the same, another day
				{answer{snapshot: snap("r2", four)}, "can be read again"},
			} {
				log.Reset()
				r.says(step.answer)
				if got := log.String(); (step.want == "") != (got == "") || !strings.Contains(got, step.want) {
					t.Errorf("answer %d: logged is %q, want %q", i, got, step.want)
				}
			}
		})
	})
}

func TestAfterARestartWhatWasGoodCountsWhenTheSourceDoesNot(t *testing.T) {
	m := remembering(t, t.TempDir())
	first := newBook()
	first.turn(snap("r1", four), Origin{}, time.Now())
	if err := m.write(first); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		answer answer
		want   string
	}{
		"it can't be read":    {answer{err: errors.New("no route")}, "orders++++"},
		"it has a mistake":    {answer{snapshot: snap("r2", map[string]string{"o.yaml": typo})}, "orders++++"},
		"it says otherwise":   {answer{snapshot: snap("r2", three)}, "orders+++"},
		"it does not name it": {answer{snapshot: snap("r2", map[string]string{"s.yaml": text("sessions", 11)})}, "sessions+"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, &Memory{path: m.path, name: m.name})
				if err := r.Memory.write(first); err != nil {
					t.Fatal(err)
				}
				r.runs(t, func() {
					r.says(c.answer)
					if got := r.tried(); got != c.want {
						t.Errorf("tried %q, want %q", got, c.want)
					}
				})
			})
		})
	}
}

func TestOnceLooksOnceAndEndsEachClusterByItself(t *testing.T) {
	for name, c := range map[string]struct {
		answer  answer
		results int
		err     string
	}{
		"all good":        {answer{snapshot: snap("r1", three)}, 1, ""},
		"a mistake":       {answer{snapshot: snap("r1", map[string]string{"o.yaml": typo, "s.yaml": text("sessions", 11)})}, 1, "o.yaml:5"},
		"nothing to read": {answer{err: errors.New("no route")}, 0, "no route"},
		"nothing in it":   {answer{err: &gitsync.Refused{Revision: "r1", Reason: "no .yaml", Cause: gitsync.ErrNoFiles}}, 0, "no .yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			m := remembering(t, t.TempDir())
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, m)
				go func() { r.source.answers <- c.answer }()
				results, err := r.Once(t.Context())
				if len(results) != c.results || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
					t.Errorf("%d results, %v", len(results), err)
				}
			})
		})
	}
}

func TestABoardTellsWhatRuns(t *testing.T) {
	b := NewBoard()
	book := newBook()
	book.turn(snap("r1", four), Origin{}, time.Now())
	b.turn(book)
	b.opened(book.entries["orders"].Topology)
	stage := []plan.Step{{Kind: plan.Move, From: "n0", To: "n3"}, {Kind: plan.Move, From: "n1", To: "n3"}}
	b.event(reconcile.Event{What: reconcile.Planned, Cluster: "orders", Plan: plan.Plan{Steps: stage}, Seen: cluster.State{Formed: true}})
	b.event(reconcile.Event{What: reconcile.Began, Cluster: "orders", Stage: stage})
	b.event(reconcile.Event{What: reconcile.Advanced, Cluster: "orders", Progress: plan.Progress{Step: stage[1], Done: 7, Total: 9}})
	b.event(reconcile.Event{What: reconcile.Began, Cluster: "nobody", Stage: stage})
	c := b.Now().Clusters[0]
	if len(c.Running) != 2 || c.Running[0].Done != 0 || c.Running[1].Done != 7 || !c.Result.Observed || !c.Result.Seen.Formed || c.Result.Sync() != reconcile.OutOfSync {
		t.Errorf("in the middle: %+v", c)
	}
	b.event(reconcile.Event{What: reconcile.Ended, Cluster: "orders", Stage: stage})
	b.result(reconcile.Result{Cluster: "orders", Observed: true}, time.Now())
	if c := b.Now().Clusters[0]; len(c.Running) != 0 || c.Passed.IsZero() || c.Result.Sync() != reconcile.InSync || c.Revision != "r1" || c.Signer == "" {
		t.Errorf("after the end: %+v", c)
	}
	b.Looked(errors.New("no route"))
	if now := b.Now(); now.Error != "no route" || !now.Read.IsZero() || now.Looked.IsZero() {
		t.Errorf("after a failed look: %+v", now)
	}
	b.Looked(nil)
	if now := b.Now(); now.Error != "" || now.Read.IsZero() {
		t.Errorf("after a good look: %+v", now)
	}
}

// Until a cluster is looked at for a new topology, nothing says that it is as
// wanted, not even a pass for the old one that ends late.
func TestABoardDoesNotCallAClusterInSyncWithWhatItWasNotComparedWith(t *testing.T) {
	b, book := NewBoard(), newBook()
	pass := "" // the revision that passes are for
	stale := func(want bool, when string) {
		t.Helper()
		if c := b.Cluster("orders"); c.Stale != want || c.Pass != pass {
			t.Errorf("%s: stale is %v, and passes are for %q", when, c.Stale, c.Pass)
		}
	}
	turn := func(revision string, files map[string]string) {
		book.turn(snap(revision, files), Origin{}, time.Now())
		b.turn(book)
	}
	planned := reconcile.Event{What: reconcile.Planned, Cluster: "orders"}
	turn("r1", three)
	stale(true, "at first")
	b.opened(book.entries["orders"].Topology)
	b.event(planned)
	pass = "r1"
	stale(false, "looked at")
	old := book.entries["orders"].Topology
	turn("r2", three)
	pass = "r2"
	stale(false, "the same again")
	turn("r3", four)
	stale(true, "a new one")
	b.event(planned)
	b.result(reconcile.Result{Cluster: "orders", Observed: true}, time.Now())
	b.opened(old)
	b.event(planned)
	stale(true, "the old pass")
	b.opened(book.entries["orders"].Topology)
	pass = "r3"
	stale(true, "opened and not looked at")
	b.event(planned)
	stale(false, "looked at for the new one")
}
