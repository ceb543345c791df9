package gitsync

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// ErrRewritten is in the error for a commit that does not descend from the
// one the caller has, where Trust.FastForward asks for that.
var ErrRewritten = errors.New("history was rewritten")

// nearDepth is the history that is asked for first; most pushes are short.
const nearDepth = 64

// fastForward returns nil only on proof that t descends from the commit of
// the revision have. Commits alone are asked for; a server that can't leave
// out the rest sends it, within the caps.
func (c *clone) fastForward(ctx context.Context, l line, t target, have string) error {
	name, hash, ok := strings.Cut(have, "@sha1:")
	// Whoever can move the server's HEAD to another branch must not get
	// around the rule, so the default branch's name does not count.
	other := name != t.name && c.Ref != Ref{}
	if !ok || other || !fullHash.MatchString(hash) {
		return nil // nothing known of this ref yet
	}
	old := plumbing.NewHash(hash)
	if old == t.commit {
		return nil
	}
	for _, depth := range []int{nearDepth, 0} {
		found, whole, err := c.descends(ctx, l, wish{target: t, depth: depth, filter: packp.FilterTreeDepth(0)}, old)
		if err != nil {
			return fmt.Errorf("prove that %s descends from %s: %w", t.revision(), old, err)
		}
		if found {
			return nil
		}
		if whole {
			break
		}
	}
	return fmt.Errorf("%w: it does not descend from %s, and fast-forward is required", ErrRewritten, old)
}

// descends fetches history and looks for old in it. It reports whether it
// found it, and whether it saw all there is.
func (c *clone) descends(ctx context.Context, l line, w wish, old plumbing.Hash) (found, whole bool, err error) {
	s, ar, err := c.greet(ctx, l)
	if err != nil {
		return false, false, err
	}
	defer s.Close()
	p, err := c.fetch(ctx, s, ar, w, l.meter)
	if err != nil {
		return false, false, err
	}
	defer p.Close()
	return p.search(w.commit, old)
}

// search goes through the ancestors of a commit, breadth first.
func (p *pack) search(from, old plumbing.Hash) (found, whole bool, err error) {
	whole = true
	seen := map[plumbing.Hash]bool{from: true}
	for queue := []plumbing.Hash{from}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == old {
			return true, whole, nil
		}
		raw, err := p.read(queue[0], plumbing.CommitObject)
		if errors.Is(err, errMissing) {
			whole = false
			continue
		}
		if err != nil {
			return false, false, err
		}
		headers, _, err := splitHeaders(raw)
		if err != nil {
			return false, false, fmt.Errorf("commit %s: %w", queue[0], err)
		}
		for _, h := range headers {
			parent, err := parseHash(h.value)
			if h.name == "parent" && err == nil && !seen[parent] {
				seen[parent] = true
				queue = append(queue, parent)
			}
		}
	}
	return false, whole, nil
}
