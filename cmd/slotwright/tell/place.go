package tell

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Place is where to tell. Only one goroutine uses it at a time.
type Place struct {
	// Name is one word, for logs, metrics and the ledger.
	Name string
	// news is what is to be sent of a note, after what was told last.
	news func(was *said, n Note) (Note, bool)
	// request is a note as this place takes it.
	request func(n Note) (request, error)
	deliver func(ctx context.Context, r request) error

	said  string // the last failure that was logged
	fails int    // in a row
	until time.Time
	apart map[string]trouble // subjects that are tried again by themselves
}

type trouble struct {
	fails int
	until time.Time
}

// How an attempt ended.
const (
	sent    = "sent"
	failed  = "failed"  // it is tried again
	refused = "refused" // it is not
)

const (
	shortest = time.Second
	longest  = 5 * time.Minute
	// A server may ask for more patience than that, and gets it up to
	patience = time.Hour
)

// post makes one attempt.
func (p *Place) post(ctx context.Context, n Note) error {
	r, err := p.request(n)
	if err != nil {
		return err
	}
	return p.deliver(ctx, r)
}

// ready reports whether a subject may be tried.
func (p *Place) ready(subject string, now time.Time) bool {
	return !now.Before(p.until) && !now.Before(p.apart[subject].until)
}

// next is when to look again at the latest; zero is when there is news.
func (p *Place) next() time.Time {
	at := p.until
	for _, t := range p.apart {
		if at.IsZero() || t.until.Before(at) {
			at = t.until
		}
	}
	if at.Before(p.until) { // nothing is tried before that
		at = p.until
	}
	return at
}

// judge notes how an attempt ended, and when the next may be made.
func (p *Place) judge(subject string, err error, now time.Time) string {
	var answer *refusal
	if err == nil || errors.As(err, &answer) && answer.final {
		p.fails, p.until = 0, time.Time{}
		delete(p.apart, subject)
		if err == nil {
			return sent
		}
		return refused
	}
	if answer != nil && answer.alone {
		t := p.apart[subject]
		t.fails++
		t.until = now.Add(backOff(t.fails, time.Minute, patience))
		if p.apart == nil {
			p.apart = map[string]trouble{}
		}
		p.apart[subject] = t
		return failed
	}
	p.fails++
	wait := backOff(p.fails, shortest, longest)
	if answer != nil && answer.after > 0 {
		wait = min(answer.after, patience)
	}
	p.until = now.Add(wait)
	return failed
}

// backOff doubles with every failure, give or take a tenth.
func backOff(fails int, first, most time.Duration) time.Duration {
	d := min(first<<min(fails-1, 16), most)
	return d - d/10 + rand.N(d/5+1)
}

// refusal is an answer that is not the one wanted.
type refusal struct {
	text  string
	final bool          // the same would be refused again
	alone bool          // it is about this note; others may fare better
	after time.Duration // when the server wants to be asked again; 0 when it does not say
}

func (r *refusal) Error() string { return r.text }

func refusalf(format string, args ...any) *refusal {
	return &refusal{text: fmt.Sprintf(format, args...)}
}
