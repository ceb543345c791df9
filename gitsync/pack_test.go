package gitsync

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// Types of objects in a pack (https://git-scm.com/docs/pack-format).
const (
	blobType     = 3
	ofsDeltaType = 6
	refDeltaType = 7
)

// packOf is a pack of objects made by hand.
func packOf(objects ...[]byte) []byte {
	b := []byte("PACK\x00\x00\x00\x02")
	b = binary.BigEndian.AppendUint32(b, uint32(len(objects)))
	for _, o := range objects {
		b = append(b, o...)
	}
	return sealed(b)
}

// packed is one object: its type, the size it claims, what names its base if
// it is a delta, and its content.
func packed(kind, size int, base, content []byte) []byte {
	first := byte(kind<<4 | size&15)
	size >>= 4
	var b []byte
	for ; size > 0; size >>= 7 {
		b, first = append(b, first|0x80), byte(size&0x7f)
	}
	b = append(append(b, first), base...)
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = w.Write(content)
	_ = w.Close()
	return append(b, z.Bytes()...)
}

// copies is a delta that makes n copies of a base of the given size, and
// claims a result of the given size.
func copies(base, n int, result uint64) []byte {
	b := binary.AppendUvarint(nil, uint64(base))
	b = binary.AppendUvarint(b, result)
	for range n {
		b = append(b, 0x80|0x30, byte(base), byte(base>>8))
	}
	return b
}

func TestPacksThatBlowUpAreRefusedBeforeTheyAreUnpacked(t *testing.T) {
	base := bytes.Repeat([]byte("x"), 1000)
	first := packed(blobType, len(base), nil, base)
	offset := []byte{byte(len(first))}
	if len(first) > 127 {
		t.Fatal("the base is too far away for the offset of this test")
	}
	caps := Caps{ObjectBytes: 4000, UnpackedBytes: 10_000}.withDefaults()
	for name, c := range map[string]struct {
		pack []byte
		word string
	}{
		"an object that claims a size":        {packOf(packed(blobType, 1<<40, nil, base)), "cap ObjectBytes"},
		"an object larger than it claims":     {packOf(packed(blobType, 10, nil, base)), "exceeds declared size"},
		"a delta with a large result":         {packOf(first, packed(ofsDeltaType, 10, offset, copies(1000, 1, 1<<40)[:10])), "cap ObjectBytes"},
		"a delta with a result past counting": {packOf(first, packed(ofsDeltaType, 12, offset, copies(1000, 0, 1<<63))), "a delta without sizes"},
		"a delta without sizes":               {packOf(first, packed(ofsDeltaType, 1, offset, []byte{0x80})), "a delta without sizes"},
		"many deltas": {packOf(first, packed(ofsDeltaType, len(copies(1000, 4, 4000)), offset, copies(1000, 4, 4000)),
			packed(blobType, 3000, nil, bytes.Repeat(base, 3)), packed(blobType, 3000, nil, bytes.Repeat(base, 3))), "cap UnpackedBytes"},
		"more objects than it has":  {append([]byte("PACK\x00\x00\x00\x02\x00\x00\xff\xff"), first...), "read the pack"},
		"a billion objects":         {[]byte("PACK\x00\x00\x00\x02\x40\x00\x00\x00"), "cap Objects"},
		"a delta of nothing":        {packOf(packed(refDeltaType, 5, bytes.Repeat([]byte{7}, 20), copies(1000, 0, 0)[:3])), "pack"},
		"a delta of itself":         {packOf(first, packed(ofsDeltaType, 3, []byte{0}, copies(1000, 0, 0))), "pack"},
		"another kind of file":      {[]byte("GIF89a and so on"), "read the pack"},
		"a pack of another version": {[]byte("PACK\x00\x00\x00\x09\x00\x00\x00\x00"), "read the pack"},
		"nothing":                   {nil, "read the pack"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p, err := spool(t.Context(), bytes.NewReader(c.pack), dir, caps)
			if err == nil {
				_ = p.Close()
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), c.word) {
				t.Errorf("%v does not say %q", err, c.word)
			}
			leftOver(t, dir)
		})
	}
}

func TestAPackIsReadAndLeavesNothing(t *testing.T) {
	base := bytes.Repeat([]byte("x"), 1000)
	first, delta := packed(blobType, len(base), nil, base), copies(1000, 3, 3000)
	dir := t.TempDir()
	p, err := spool(t.Context(), bytes.NewReader(packOf(first, packed(ofsDeltaType, len(delta), []byte{byte(len(first))}, delta))), dir, Caps{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	leftOver(t, dir) // also while it is in use: a killed process leaves nothing
	want := bytes.Repeat(base, 3)
	got, err := p.read(plumbing.ComputeHash(plumbing.BlobObject, want), plumbing.BlobObject)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if _, err := p.read(plumbing.ComputeHash(plumbing.BlobObject, want), plumbing.CommitObject); err == nil {
		t.Error("a blob was taken for a commit")
	}
	if _, err := p.read(plumbing.NewHash(someHash), plumbing.BlobObject); !errors.Is(err, errMissing) {
		t.Errorf("an object that is not there: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestUnpackingStopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	raw := packOf(packed(blobType, 1, nil, []byte("x")))
	if _, err := spool(ctx, bytes.NewReader(raw), t.TempDir(), Caps{}.withDefaults()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("surveying: %v", err)
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := (&pack{file: f}).index(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("indexing: %v", err)
	}
}

func TestADiskThatCannotBeWrittenIsNamed(t *testing.T) {
	if _, err := spool(t.Context(), bytes.NewReader(nil), "/no/such/place", Caps{}); err == nil || !strings.Contains(err.Error(), "make a file for the pack") {
		t.Error(err)
	}
}

func FuzzSurvey(f *testing.F) {
	base := bytes.Repeat([]byte("x"), 1000)
	first := packed(blobType, len(base), nil, base)
	f.Add(packOf(first))
	f.Add(packOf(first, packed(ofsDeltaType, 7, []byte{byte(len(first))}, copies(1000, 1, 1000))))
	f.Add(emptyPack())
	caps := Caps{ObjectBytes: 1 << 16, UnpackedBytes: 1 << 20, Objects: 100}.withDefaults()
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := spool(t.Context(), bytes.NewReader(raw), t.TempDir(), caps)
		if err == nil {
			_ = p.Close()
		}
	})
}
