// Package tell tells people how clusters stand: as statuses of commits on
// GitHub, GitLab and Gitea, in chats that take Slack's webhooks, and to a
// webhook of one's own. It has effects at the edge only: it reads a Board and
// writes to the network, and no lane ever waits for it.
//
// Nothing is queued. Each place to tell at has a worker of its own that compares
// what is known with what it told last, and sends the difference, one note at a
// time. While a server can't be reached, what is newer takes the place of what is
// older, so there is never more to send than there are clusters. What was
// told is remembered on disk: a restart tells nothing twice. A note whose answer
// was lost is sent again.
package tell

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
)

// Board is what is known, as follow.Board has it.
type Board interface {
	Now() follow.Known
	// Watch has a value whenever something is news.
	Watch() <-chan struct{}
}

// Teller tells what a board knows.
type Teller struct {
	Board Board
	// Places are where to tell. There is at most one of each kind.
	Places []*Place
	// Ledger remembers what was told.
	Ledger *Ledger
	// Told counts each attempt by place: sent, failed, refused. It may be nil.
	Told func(place, result string)
	Log  *slog.Logger
	// Unread is how long the source must have been unreadable before that is
	// worth telling: networks have moments.
	Unread time.Duration
}

// Run tells until ctx ends.
func (t *Teller) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, p := range t.Places {
		news := t.Board.Watch()
		running.Go(func() { t.serve(ctx, p, news) })
	}
	running.Wait()
}

func (t *Teller) serve(ctx context.Context, p *Place, news <-chan struct{}) {
	for ctx.Err() == nil {
		t.round(ctx, p)
		var again <-chan time.Time // never, while nothing waits
		if at := p.next(); !at.IsZero() {
			again = time.After(time.Until(at))
		}
		select {
		case <-ctx.Done():
		case <-news:
		case <-again:
		}
	}
}

// Flush tells what is to be told now, each note once, and ends with ctx.
func (t *Teller) Flush(ctx context.Context) {
	var running sync.WaitGroup
	for _, p := range t.Places {
		running.Go(func() { t.round(ctx, p) })
	}
	running.Wait()
}

// round sends what is news and may be tried now.
func (t *Teller) round(ctx context.Context, p *Place) {
	known := t.Board.Now()
	notes := notesOf(known, t.Unread)
	for _, n := range notes {
		// A place may have two things to say of a cluster: that what it waits
		// for will not come, and what does.
		for range 2 {
			if ctx.Err() != nil || !p.ready(n.Subject, time.Now()) {
				break
			}
			now, is := p.news(t.Ledger.told(p.Name, n.Subject), n)
			if !is || !t.send(ctx, p, now) {
				break
			}
		}
	}
	if known.Seen != "" {
		t.Ledger.keep(p.Name, notes)
	}
}

// send makes one attempt and reports whether the note is done with.
func (t *Teller) send(ctx context.Context, p *Place, n Note) bool {
	err := p.post(ctx, n)
	if ctx.Err() != nil {
		return false // it may have arrived; it is told again
	}
	log := t.Log.With("to", p.Name, "cluster", n.Subject, "revision", n.Revision)
	result := p.judge(n.Subject, err, time.Now())
	if t.Told != nil {
		t.Told(p.Name, result)
	}
	switch result {
	case failed:
		if text := err.Error(); text != p.said {
			p.said = text
			log.Warn("not told; it is tried again", "error", text)
		}
		return false
	case refused:
		log.Warn("not told: refused for good", "state", n.State, "error", err)
	default:
		p.said = ""
		log.Info("told", "state", n.State)
	}
	if err := t.Ledger.note(p.Name, n); err != nil {
		log.Warn("a restart may tell this again", "error", err)
	}
	return true
}
