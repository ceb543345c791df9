package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// pack is a fetched pack: a nameless file on disk and its index in memory.
// Nothing is left behind when the process is killed.
type pack struct {
	file    *os.File
	objects *packfile.Packfile
}

// cacheBytes is what may be kept of unpacked objects while files are read.
const cacheBytes = 16 * cache.MiByte

// spool writes a pack to disk, surveys it, and only then unpacks it: go-git
// would hold whatever an object claims to be in memory.
func spool(ctx context.Context, r io.Reader, dir string, caps Caps) (*pack, error) {
	file, err := os.CreateTemp(dir, "gitsync-")
	if err != nil {
		return nil, fmt.Errorf("make a file for the pack: %w", err)
	}
	// An open file without a name lives until it is closed; where the
	// system can't do that, Close removes it.
	_ = os.Remove(file.Name())
	p := &pack{file: file}
	if err := p.fill(ctx, r, caps); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

func (p *pack) fill(ctx context.Context, r io.Reader, caps Caps) error {
	if _, err := io.Copy(p.file, r); err != nil {
		return err
	}
	if err := survey(ctx, p.file, caps); err != nil {
		return err
	}
	return p.index(ctx)
}

// Close drops the pack.
func (p *pack) Close() error {
	err := p.file.Close()
	_ = os.Remove(p.file.Name())
	return err
}

// index hashes every object, which also proves that the pack is whole: its
// checksum is compared, and deltas without a base are an error.
func (p *pack) index(ctx context.Context) error {
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	index := new(idxfile.Writer)
	parser, err := packfile.NewParser(packfile.NewScanner(p.file), index, stopAt{ctx})
	if err != nil {
		return err
	}
	if _, err := parser.Parse(); err != nil {
		return fmt.Errorf("index the pack: %w", err)
	}
	found, err := index.Index()
	if err != nil {
		return fmt.Errorf("index the pack: %w", err)
	}
	p.objects = packfile.NewPackfileWithCache(found, nil, unlocked{p.file}, cache.NewObjectLRU(cacheBytes), 0)
	return nil
}

// errMissing is in the error for an object that the server did not send.
var errMissing = errors.New("the server did not send it")

// read returns the content of an object of the kind wanted, if it is not
// larger than limit. The index was made from the contents, so a hash that is
// found has the content it stands for.
func (p *pack) read(h plumbing.Hash, kind plumbing.ObjectType) ([]byte, error) {
	o, err := p.objects.Get(h)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("%s %s: %w", kind, h, errMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, h, err)
	}
	if o.Type() != kind {
		return nil, fmt.Errorf("object %s is a %s, not a %s", h, o.Type(), kind)
	}
	r, err := o.Reader()
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, h, err)
	}
	defer r.Close()
	return io.ReadAll(r)
}

// stopAt ends the indexing of a pack with the context; go-git's parser knows
// none.
type stopAt struct{ ctx context.Context }

func (s stopAt) OnHeader(uint32) error { return s.ctx.Err() }
func (s stopAt) OnInflatedObjectHeader(plumbing.ObjectType, int64, int64) error {
	return s.ctx.Err()
}
func (s stopAt) OnInflatedObjectContent(plumbing.Hash, int64, uint32, []byte) error {
	return s.ctx.Err()
}
func (s stopAt) OnFooter(plumbing.Hash) error { return s.ctx.Err() }

// unlocked gives a file the locks that go-git's file type has; a nameless
// file has nobody to be locked against.
type unlocked struct{ *os.File }

func (unlocked) Lock() error   { return nil }
func (unlocked) Unlock() error { return nil }
