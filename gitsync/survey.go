package gitsync

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// survey walks through a pack without keeping anything of it and refuses it
// when its objects, or what its deltas make of them, are more than the caps
// allow. The sum over all results also bounds the work of the longest chain
// of deltas, because a chain is made of different objects.
func survey(ctx context.Context, f io.ReadSeeker, caps Caps) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s := packfile.NewScanner(f)
	_, count, err := s.Header()
	if err != nil {
		return fmt.Errorf("read the pack: %w", err)
	}
	if err := check(int64(count), caps.Objects, "Objects", fmt.Sprintf("the pack has %d objects", count)); err != nil {
		return err
	}
	total := int64(0)
	for range count {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := surveyObject(s, caps)
		if err != nil {
			return err
		}
		total += n
		if err := check(total, caps.UnpackedBytes, "UnpackedBytes", "the pack's objects, unpacked"); err != nil {
			return err
		}
	}
	return nil
}

// surveyObject passes one object and returns the bytes that unpacking it
// makes.
func surveyObject(s *packfile.Scanner, caps Caps) (int64, error) {
	h, err := s.NextObjectHeader()
	if err != nil {
		return 0, fmt.Errorf("read the pack: %w", err)
	}
	if err := checkObject(h.Length, caps); err != nil {
		return 0, err
	}
	var head prefix
	if _, _, err := s.NextObject(&head); err != nil {
		return 0, fmt.Errorf("read the pack: %w", err)
	}
	if h.Type != plumbing.OFSDeltaObject && h.Type != plumbing.REFDeltaObject {
		return h.Length, nil
	}
	result, err := resultSize(head)
	if err != nil {
		return 0, err
	}
	return h.Length + result, checkObject(result, caps)
}

func checkObject(size int64, caps Caps) error {
	return check(size, caps.ObjectBytes, "ObjectBytes", fmt.Sprintf("an object of %d bytes", size))
}

// resultSize reads the sizes a delta begins with, of its base and of its
// result (https://git-scm.com/docs/pack-format).
func resultSize(delta []byte) (int64, error) {
	_, n := binary.Uvarint(delta)
	if n <= 0 {
		return 0, errors.New("read the pack: a delta without sizes")
	}
	size, n := binary.Uvarint(delta[n:])
	if n <= 0 || int64(size) < 0 {
		return 0, errors.New("read the pack: a delta without sizes")
	}
	return int64(size), nil
}

// prefix keeps the first bytes written to it: enough for two sizes.
type prefix []byte

func (p *prefix) Write(b []byte) (int, error) {
	*p = append(*p, b[:min(len(b), 2*binary.MaxVarintLen64-len(*p))]...)
	return len(b), nil
}
