package tell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// rev is a revision of a branch.
func rev(c byte) string { return "main@sha1:" + strings.Repeat(string(c), 40) }

// slate is a board that a test writes on.
type slate struct {
	mu      sync.Mutex
	now     follow.Known
	watches []chan struct{}
}

func (s *slate) Now() follow.Known {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.now
	out.Clusters = slices.Clone(s.now.Clusters)
	return out
}

func (s *slate) Watch() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{}, 1)
	s.watches = append(s.watches, c)
	return c
}

func (s *slate) change(how func(*follow.Known)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how(&s.now)
	for _, c := range s.watches {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// one sets the only cluster, orders, at a revision.
func (s *slate) one(revision string, acting bool, last *reconcile.Result) {
	s.change(func(k *follow.Known) {
		k.Seen, k.Good = revision, revision
		k.Clusters = []follow.Cluster{{Name: "orders", Revision: revision, Acting: acting, Last: last, Stale: last == nil}}
	})
}

func inSync() *reconcile.Result { return &reconcile.Result{Cluster: "orders", Observed: true} }

func held(codes ...plan.Code) *reconcile.Result {
	r := inSync()
	for _, c := range codes {
		r.Plan.Holds = append(r.Plan.Holds, plan.Hold{Why: plan.Ask, Code: c, Node: "n6", Text: "text of " + string(c), Lift: "lift it"})
	}
	return r
}

// pen is a place that keeps what it is told, and fails as a test says.
type pen struct {
	*Place
	mu    sync.Mutex
	lines []string
	calls int
	fail  func() error
}

func newPen(name string, news func(*said, Note) (Note, bool)) *pen {
	p := &pen{fail: func() error { return nil }}
	p.Place = &Place{
		Name: name, news: news,
		request: func(n Note) (request, error) {
			at := n.Revision
			if _, hash, ok := strings.Cut(at, "sha1:"); ok {
				at = hash[:1]
			}
			word := string(n.State)
			if n.Working {
				word += "..."
			}
			return request{url: fmt.Sprintf("%s@%s %s", n.Subject, at, word)}, nil
		},
		deliver: func(_ context.Context, r request) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.calls++
			if err := p.fail(); err != nil {
				return err
			}
			p.lines = append(p.lines, r.url)
			return nil
		},
	}
	return p
}

// took is what arrived since the last call, without what is about the source.
func (p *pen) took() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, line := range p.lines {
		if !strings.HasPrefix(line, "@") {
			out = append(out, line)
		}
	}
	p.lines = nil
	return strings.Join(out, ", ")
}

func ledger(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := OpenLedger(filepath.Join(dir, "told.json"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// telling runs a teller while the rest of a test does something.
func telling(t *testing.T, dir string, board *slate, do func(), pens ...*pen) {
	t.Helper()
	teller := &Teller{Board: board, Ledger: ledger(t, dir), Log: slog.New(slog.DiscardHandler), Unread: 5 * time.Minute}
	for _, p := range pens {
		teller.Places = append(teller.Places, p.Place)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { teller.Run(ctx) })
	synctest.Wait()
	do()
	stop()
	running.Wait()
}

func TestACommitGoesFromPendingToWhatCameOfIt(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		board, commits, chat := &slate{}, newPen("github", newsOfCommit), newPen("slack", newsOfState)
		telling(t, dir, board, func() {
			for i, step := range []struct {
				revision      string
				acting        bool
				last          *reconcile.Result
				commits, chat string
			}{
				{rev('a'), false, nil, "orders@a OutOfSync...", ""},
				{rev('a'), true, nil, "", "orders@a OutOfSync..."},
				{rev('a'), false, inSync(), "orders@a InSync", "orders@a InSync"},
				{rev('a'), false, inSync(), "", ""},                                      // another pass
				{rev('b'), false, inSync(), "orders@b InSync", ""},                       // a commit about something else
				{rev('c'), false, nil, "orders@c OutOfSync...", ""},                      // a new topology
				{rev('d'), false, nil, "orders@c Superseded, orders@d OutOfSync...", ""}, // and another before that was reached
				{rev('d'), false, held(plan.ShrinkTo), "orders@d Held", "orders@d Held"},
				{rev('d'), true, held(plan.ShrinkTo), "", ""}, // it tries again, and fails again
				{rev('d'), false, held(plan.ShrinkTo), "", ""},
				{rev('d'), false, held(plan.ShrinkTo, plan.NodeSilent), "orders@d Held", "orders@d Held"},
				{rev('d'), false, &reconcile.Result{Err: errors.New("no route after 5 s")}, "orders@d Unknown", "orders@d Unknown"},
				{rev('d'), false, &reconcile.Result{Err: errors.New("no route after 7 s")}, "", ""},
				{rev('d'), false, inSync(), "orders@d InSync", "orders@d InSync"},
				{rev('d'), true, inSync(), "orders@d OutOfSync...", "orders@d OutOfSync..."}, // drift
				{rev('d'), false, inSync(), "orders@d InSync", "orders@d InSync"},
			} {
				board.one(step.revision, step.acting, step.last)
				synctest.Wait()
				if c, s := commits.took(), chat.took(); c != step.commits || s != step.chat {
					t.Errorf("step %d: statuses %q, want %q; messages %q, want %q", i, c, step.commits, s, step.chat)
				}
			}
		}, commits, chat)
	})
}

func TestARestartTellsNothingTwice(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		commits, chat := newPen("github", newsOfCommit), newPen("slack", newsOfState)
		board := &slate{}
		telling(t, dir, board, func() {
			board.one(rev('a'), false, held(plan.ShrinkTo))
			synctest.Wait()
		}, commits, chat)
		if c, s := commits.took(), chat.took(); c != "orders@a Held" || s != "orders@a Held" {
			t.Fatalf("told %q and %q", c, s)
		}
		board = &slate{}
		telling(t, dir, board, func() {
			board.one(rev('a'), false, nil)
			synctest.Wait()
			board.one(rev('a'), false, held(plan.ShrinkTo))
			synctest.Wait()
			if c, s := commits.took(), chat.took(); c != "" || s != "" {
				t.Errorf("told again: %q and %q", c, s)
			}
			board.one(rev('a'), false, inSync())
			synctest.Wait()
			if c, s := commits.took(), chat.took(); c != "orders@a InSync" || s != "orders@a InSync" {
				t.Errorf("told %q and %q", c, s)
			}
		}, commits, chat)
	})
}

// While nothing can be delivered, no more than the newest waits, and others are
// not kept waiting.
func TestWhatIsNewerTakesThePlaceOfWhatWaits(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		board, down, up := &slate{}, newPen("github", newsOfCommit), newPen("slack", newsOfState)
		broken := true
		down.fail = func() error {
			if broken {
				return refusalf("no route")
			}
			return nil
		}
		telling(t, dir, board, func() {
			begin := time.Now()
			for i := range 1000 {
				board.one(rev("abcdef"[i%6]), false, held(plan.Code(fmt.Sprintf("Code%d", i))))
				time.Sleep(time.Second)
			}
			synctest.Wait()
			if n := strings.Count(up.took(), "Held"); n != 1000 {
				t.Errorf("the other place was told %d times in %s", n, time.Since(begin))
			}
			if down.calls < 5 || down.calls > 20 {
				t.Errorf("%d attempts in 1000 s", down.calls)
			}
			down.mu.Lock()
			broken = false
			down.mu.Unlock()
			board.one(rev('b'), false, inSync())
			time.Sleep(longest + time.Minute)
			synctest.Wait()
			if got := down.took(); got != "orders@b InSync" {
				t.Errorf("told in the end: %q", got)
			}
		}, down, up)
	})
}

func TestAPlaceIsAskedAsOftenAsItWants(t *testing.T) {
	for name, c := range map[string]struct {
		err         error
		least, most int // attempts in an hour
	}{
		"no network":                     {errors.New("no route"), 15, 25},
		"a server that asks for 10 min":  {&refusal{text: "429", after: 10 * time.Minute}, 6, 7},
		"a server that asks for a year":  {&refusal{text: "429", after: 365 * 24 * time.Hour}, 1, 2},
		"a commit it does not know":      {&refusal{text: "404", alone: true}, 5, 7},
		"a note it does not take at all": {&refusal{text: "422", final: true}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				board, p := &slate{}, newPen("slack", newsOfState)
				p.fail = func() error { return c.err }
				telling(t, dir, board, func() {
					board.one(rev('a'), false, held(plan.ShrinkTo))
					for range 3600 { // each look at the source is news
						time.Sleep(time.Second)
						board.change(func(*follow.Known) {})
					}
					synctest.Wait()
					if p.calls < c.least || p.calls > c.most {
						t.Errorf("%d attempts, want %d to %d", p.calls, c.least, c.most)
					}
				}, p)
			})
		})
	}
}

func TestOneCommitThatIsNotKnownKeepsNobodyWaiting(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		board, p := &slate{}, newPen("github", newsOfCommit)
		first := true
		p.fail = func() error {
			if first {
				first = false
				return &refusal{text: "404", alone: true}
			}
			return nil
		}
		telling(t, dir, board, func() {
			board.change(func(k *follow.Known) {
				k.Error = "gone" // nothing about the source
				k.Clusters = []follow.Cluster{{Name: "a", Revision: rev('a'), Last: inSync()}, {Name: "b", Revision: rev('a'), Last: inSync()}}
				k.Read, k.Looked = time.Now(), time.Now()
			})
			synctest.Wait()
			if got := p.took(); got != "b@a InSync" {
				t.Errorf("told %q", got)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if got := p.took(); got != "a@a InSync" {
				t.Errorf("told later %q", got)
			}
		}, p)
	})
}

func TestTheSourceIsToldOf(t *testing.T) {
	begin := time.Now()
	for name, c := range map[string]struct {
		known         follow.Known
		state         State
		commits, chat bool // whether it is news where nothing was told
		text          string
	}{
		"nothing known":      {known: follow.Known{}},
		"read":               {follow.Known{Seen: rev('a'), Clusters: make([]follow.Cluster, 2)}, Read, true, false, "clusters 2, orphaned 0"},
		"mistakes":           {follow.Known{Seen: rev('a'), Mistakes: spec.Mistakes{{File: "o.yaml", Line: 3, Text: "no"}, {Text: "x"}}}, Mistaken, true, true, "o.yaml:3: no (and 1 more)"},
		"unreadable a while": {follow.Known{Seen: rev('a'), Error: "no route", Read: begin, Looked: begin.Add(time.Hour)}, Unreadable, false, true, "no route"},
		"a moment only":      {known: follow.Known{Seen: rev('a'), Error: "no route", Read: begin, Looked: begin.Add(time.Minute)}},
		"unreadable at once": {follow.Known{Error: "no route", Looked: begin}, Unreadable, false, true, "no route"},
	} {
		t.Run(name, func(t *testing.T) {
			n, ok := ofSource(c.known, 5*time.Minute)
			if ok != (c.state != "") {
				t.Fatalf("a note: %v, %+v", ok, n)
			}
			if !ok {
				return
			}
			_, commits := newsOfCommit(nil, n)
			_, chat := newsOfState(nil, n)
			if n.State != c.state || commits != c.commits || chat != c.chat || !strings.Contains(n.Text, c.text) {
				t.Errorf("status %v, message %v: %+v", commits, chat, n)
			}
		})
	}
}

func TestANoteSaysWhatHoldsAndWhatLiftsIt(t *testing.T) {
	r := held(plan.ShrinkTo)
	r.Plan.Holds = append([]plan.Hold{{Why: plan.Wait, Code: plan.NodeSilent, Text: "silent", Lift: "start it"}}, r.Plan.Holds...)
	n := ofCluster(follow.Cluster{Name: "orders", Revision: rev('a'), Last: r})
	if n.Text != "ShrinkTo: text of ShrinkTo. To lift it: lift it (and 1 more)" || len(n.Holds) != 2 {
		t.Errorf("the note is %+v", n)
	}
	untidy := inSync()
	untidy.Err = errors.New("put back what was switched: refused")
	if n := ofCluster(follow.Cluster{Name: "orders", Last: untidy}); n.State.well() || !strings.Contains(n.Text, "refused") {
		t.Errorf("an error in sync is told as %+v", n)
	}
	left := inSync()
	left.Plan.Steps = make([]plan.Step, 3)
	if n := ofCluster(follow.Cluster{Name: "orders", Last: left}); n.State != "OutOfSync" || n.Working || !strings.Contains(n.Text, "3 steps") {
		t.Errorf("what is only reported is told as %+v", n)
	}
}
