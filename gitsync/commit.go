package gitsync

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// commit is what a commit object says, read from the very bytes its hash and
// its signature are over. git and libraries that decode and encode again
// disagree about odd commits, and unsigned content has passed for signed in
// that gap (CVE-2026-45022), so anything odd is an error here.
type commit struct {
	tree      plumbing.Hash
	committed time.Time // the committer's claim
	signed    []byte    // the bytes a signature is over: the object without the signature
	signature []byte    // armored; nil when there is none
}

// header is one header of a commit: continuation lines are joined to it.
type header struct {
	name  string
	value []byte
}

// parseCommit reads the raw content of a commit object.
func parseCommit(raw []byte) (commit, error) {
	headers, signed, err := splitHeaders(raw)
	if err != nil {
		return commit{}, fmt.Errorf("malformed commit: %w", err)
	}
	c := commit{signed: signed}
	if err := c.fill(headers); err != nil {
		return commit{}, fmt.Errorf("malformed commit: %w", err)
	}
	return c, nil
}

const signatureHeader = "gpgsig"

// splitHeaders cuts a commit into its headers, and out of it everything that
// a signature does not cover. A header continues on lines that begin with a
// space; the message follows the first empty line.
func splitHeaders(raw []byte) (headers []header, signed []byte, err error) {
	inSignature := false
	for rest := raw; ; {
		line, after, found := bytes.Cut(rest, []byte{'\n'})
		if !found {
			return nil, nil, errors.New("no end of the headers")
		}
		if len(line) == 0 {
			return headers, append(signed, rest...), nil
		}
		if bytes.IndexByte(line, 0) >= 0 {
			return nil, nil, errors.New("a zero byte in the headers")
		}
		if line[0] == ' ' {
			if len(headers) == 0 {
				return nil, nil, errors.New("a continuation before any header")
			}
			last := &headers[len(headers)-1]
			last.value = append(append(last.value, '\n'), line[1:]...)
		} else {
			name, value, ok := bytes.Cut(line, []byte{' '})
			if !ok {
				return nil, nil, errors.New("a header without a value")
			}
			headers = append(headers, header{string(name), bytes.Clone(value)})
			inSignature = string(name) == signatureHeader
		}
		if !inSignature {
			signed = append(append(signed, line...), '\n')
		}
		rest = after
	}
}

// fill reads the headers, which come in git's order: tree, parents, author,
// committer, then others. tree, author, committer and the signature occur
// once.
func (c *commit) fill(headers []header) error {
	seen := map[string]bool{}
	for i, h := range headers {
		if seen[h.name] && h.name != "parent" && h.name != "mergetag" {
			return fmt.Errorf("two %s headers", h.name)
		}
		seen[h.name] = true
		var err error
		switch h.name {
		case "tree":
			if i != 0 {
				return errors.New("tree is not the first header")
			}
			c.tree, err = parseHash(h.value)
		case "parent":
			_, err = parseHash(h.value)
		case "committer":
			c.committed, err = parseWhen(h.value)
		case signatureHeader:
			c.signature = h.value
		case "gpgsig-sha256":
			return errors.New("a signature for another hash function")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
	}
	if !seen["tree"] || !seen["author"] || !seen["committer"] {
		return errors.New("tree, author or committer is missing")
	}
	return nil
}

func parseHash(b []byte) (plumbing.Hash, error) {
	if !fullHash.Match(b) {
		return plumbing.ZeroHash, errors.New("not a hash")
	}
	return plumbing.NewHash(string(b)), nil
}

// parseWhen reads the seconds in "Name <mail> 1700000000 +0100".
func parseWhen(b []byte) (time.Time, error) {
	_, after, found := bytes.Cut(b, []byte("> "))
	if !found {
		return time.Time{}, errors.New("no time")
	}
	seconds, _, _ := bytes.Cut(after, []byte{' '})
	n, err := strconv.ParseInt(string(seconds), 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, errors.New("no time")
	}
	return time.Unix(n, 0), nil
}
