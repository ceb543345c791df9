package gitsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// Options say which repository is followed and how.
type Options struct {
	// URL is https://, ssh://, user@host:path, file:// or, without any
	// credentials, http://. It never holds a secret.
	URL string
	// Ref is what is followed; zero is the server's default branch.
	Ref Ref
	// Path is the folder in the repository that is read, with everything
	// below it; "" is the whole repository.
	Path string
	Auth Auth
	// Proxy is an http, https or socks5 URL; only socks5 carries SSH. Default:
	// the usual environment variables.
	Proxy string
	// Interval is the time between looks. Default one minute.
	Interval time.Duration
	// Timeout bounds one look, whatever the server does. Default one minute.
	Timeout time.Duration
	Caps    Caps
	Trust   Trust
	// Since is the revision an earlier process saw last, for FastForward; it
	// stands in for have while that is "".
	Since string
	// Looked is told how every look ended, also one that found nothing new. It
	// may be nil.
	Looked func(error)
	// TempDir is where packs are kept while they are read. Default: the
	// system's.
	TempDir string
}

// clone follows a repository. Nothing of it outlives a look but what the
// caller holds: a fresh shallow fetch costs little for a repository of
// topology files, and there is no local state that could be broken.
type clone struct {
	*pace
	Options
	to address

	turn  sync.Mutex // one Next at a time; guards taken
	taken string     // the revision handed out last
	ended context.Context
	end   context.CancelFunc
}

// Clone follows a git repository. Errors are about the options; the network
// is not touched before Next.
func Clone(o Options) (Source, error) {
	to, err := parseAddress(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Path, err = cleanPath(o.Path); err != nil {
		return nil, err
	}
	if err := errors.Join(o.Ref.check(), o.Auth.check(to), o.Trust.check(o.Ref)); err != nil {
		return nil, err
	}
	if o.Interval <= 0 {
		o.Interval = time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	o.Caps = o.Caps.withDefaults()
	c := &clone{pace: newPace(o.Interval), Options: o, to: to}
	c.ended, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Close ends a running Next.
func (c *clone) Close() error {
	c.end()
	return nil
}

// Next looks when it is time to, until there is something new.
func (c *clone) Next(ctx context.Context, have string) (Snapshot, error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	ctx, cancel := until(ctx, c.ended)
	defer cancel()
	for {
		if err := c.wait(ctx); err != nil {
			return Snapshot{}, stopped(c.ended, err)
		}
		s, err := c.look(ctx, have)
		c.done(err)
		c.told(ctx, err)
		if err != nil {
			return Snapshot{}, stopped(c.ended, err)
		}
		if s.Revision != have {
			c.taken = s.Revision
			return s, nil
		}
	}
}

// told passes the end of a look on. One that was cut off says nothing about
// the source.
func (c *clone) told(ctx context.Context, err error) {
	if c.Looked != nil && ctx.Err() == nil {
		c.Looked(err)
	}
}

// until is a context that ends with either.
func until(ctx, ended context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ended, cancel)
	return ctx, func() { stop(); cancel() }
}

// stopped is err, or ErrClosed when the source was closed.
func stopped(ended context.Context, err error) error {
	if ended.Err() != nil {
		return ErrClosed
	}
	return err
}

// look asks the server what the ref stands for and, if that is not what the
// caller has, reads it.
func (c *clone) look(ctx context.Context, have string) (Snapshot, error) {
	inTime, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	l := line{to: c.to, auth: c.Auth, proxy: c.Proxy, meter: &meter{}, mask: &mask{}}
	s, err := c.pull(inTime, l, have)
	if err == nil {
		return s, nil
	}
	if ctx.Err() != nil {
		return Snapshot{}, ctx.Err()
	}
	return Snapshot{}, c.failure(inTime, l, err)
}

// pullError is an error of a look in words without secrets; its cause is for
// errors.Is and errors.As only.
type pullError struct {
	text  string
	cause error
}

func (e *pullError) Error() string { return e.text }
func (e *pullError) Unwrap() error { return e.cause }

// failure picks the cause that explains most: a cap or the deadline shows
// elsewhere only as a broken connection.
func (c *clone) failure(inTime context.Context, l line, err error) error {
	if r, ok := errors.AsType[*Refused](err); ok {
		r.Reason = l.mask.clean(r.Reason)
		err = r
	} else if over := l.meter.refusal(); over != nil {
		err = over
	} else if inTime.Err() != nil {
		// Not the context's own error: the caller would take it for the end
		// of its own context.
		err = fmt.Errorf("no end after %s", c.Timeout)
	}
	return &pullError{l.mask.clean(fmt.Sprintf("pull %s: %v", c.to, err)), err}
}

// greet opens a conversation and reads what the server offers.
func (c *clone) greet(ctx context.Context, l line) (session, *packp.AdvRefs, error) {
	l.meter.phase(c.Caps.RefBytes, "RefBytes", "the server's list of references")
	s, err := l.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	ar, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		_ = s.Close()
		return nil, nil, fmt.Errorf("list references: %w", err)
	}
	return s, ar, nil
}

// pull is one look.
func (c *clone) pull(ctx context.Context, l line, have string) (Snapshot, error) {
	s, ar, err := c.greet(ctx, l)
	if err != nil {
		return Snapshot{}, err
	}
	defer s.Close()
	t, err := c.Ref.resolve(ar)
	if err != nil {
		return Snapshot{}, err
	}
	if t.revision() == have {
		return Snapshot{Revision: have}, nil
	}
	p, err := c.download(ctx, s, ar, l, t)
	if err != nil {
		return Snapshot{}, err
	}
	defer p.Close()
	if c.Trust.FastForward {
		// What was refused is no base: a rewritten history would become good
		// with the next commit on top of it.
		err := c.fastForward(ctx, l, t, cmp.Or(have, c.taken, c.Since))
		if errors.Is(err, ErrRewritten) {
			err = refuse(t.revision(), err)
		}
		if err != nil {
			return Snapshot{}, err
		}
	}
	snap, err := c.snapshot(p, t)
	if err != nil {
		return Snapshot{}, refuse(t.revision(), err)
	}
	return snap, nil
}

// download fetches the commit that is followed. That it is too large is no
// fault of the way to it.
func (c *clone) download(ctx context.Context, s session, ar *packp.AdvRefs, l line, t target) (*pack, error) {
	w := wish{target: t, depth: 1, filter: leaveOut(c.Caps)}
	if t.deep {
		w.depth = 0
	}
	p, err := c.fetch(ctx, s, ar, w, l.meter)
	if err == nil {
		return p, nil
	}
	if over := l.meter.refusal(); over != nil {
		err = over // elsewhere it shows only as a broken connection
	}
	if over, ok := errors.AsType[*CapError](err); ok {
		return nil, refuse(t.revision(), over)
	}
	return nil, err
}

// snapshot reads a fetched commit. Every error is about what the commit holds.
func (c *clone) snapshot(p *pack, t target) (Snapshot, error) {
	raw, err := p.read(t.commit, plumbing.CommitObject)
	if err != nil {
		return Snapshot{}, err
	}
	made, err := parseCommit(raw)
	if err != nil {
		return Snapshot{}, err
	}
	signer, err := c.Trust.verify(made, time.Now())
	if err != nil {
		return Snapshot{}, err
	}
	root, err := p.subtree(made.tree, c.Path)
	if err != nil {
		return Snapshot{}, err
	}
	g := gather(c.Caps)
	if err := p.walk(root, "", g); err != nil {
		return Snapshot{}, err
	}
	if len(g.digests) == 0 {
		return Snapshot{}, fmt.Errorf("%w in %s", ErrNoFiles, c.Path)
	}
	return Snapshot{Revision: t.revision(), Files: g.files(), Signer: signer}, nil
}

// leaveOut asks a server to keep back files that the caps would refuse, so
// that large files elsewhere in a repository cost nothing.
func leaveOut(caps Caps) packp.Filter {
	return packp.FilterBlobLimit(uint64(caps.ObjectBytes)+1, packp.BlobLimitPrefixNone)
}
