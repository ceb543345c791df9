package gitsync

import (
	"fmt"
	"io"
	"sync"
)

// Caps bound what one look at a source may cost, whatever the other side
// sends. A field that is zero means its default. Sizes are bytes.
type Caps struct {
	// RefBytes is the size of the list of references a server sends before
	// anything else. Default 16 MiB.
	RefBytes int64
	// PackBytes is the size of a commit's pack on the wire. Default 256 MiB.
	PackBytes int64
	// Objects is the number of objects in the pack. Default 200,000.
	Objects int64
	// ObjectBytes is the size of one object of the pack, unpacked. Where the
	// server can leave out larger files, it is asked to. Default 32 MiB.
	ObjectBytes int64
	// UnpackedBytes is the size of all objects together, unpacked, which
	// bounds the work of unpacking. Default 2 GiB.
	UnpackedBytes int64
	// Entries is the number of names visited below the path, files, folders
	// and ignored names together. Default 100,000.
	Entries int64
	// Depth is how many folders deep the path may go. Default 32.
	Depth int64
	// Files is the number of YAML files. Default 10,000.
	Files int64
	// FileBytes is the size of one YAML file. Default 1 MiB.
	FileBytes int64
	// TotalBytes is the size of all YAML files together. Default 32 MiB.
	TotalBytes int64
}

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// withDefaults returns c with every zero replaced by its default.
func (c Caps) withDefaults() Caps {
	for _, d := range []struct {
		field *int64
		value int64
	}{
		{&c.RefBytes, 16 * mib},
		{&c.PackBytes, 256 * mib},
		{&c.Objects, 200_000},
		{&c.ObjectBytes, 32 * mib},
		{&c.UnpackedBytes, 2 * gib},
		{&c.Entries, 100_000},
		{&c.Depth, 32},
		{&c.Files, 10_000},
		{&c.FileBytes, mib},
		{&c.TotalBytes, 32 * mib},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return c
}

// CapError says that a source is larger than a cap allows.
type CapError struct {
	Cap   string // the field of Caps
	Limit int64
	What  string // what was too large
}

func (e *CapError) Error() string {
	return fmt.Sprintf("%s: more than the cap %s allows (%d)", e.What, e.Cap, e.Limit)
}

// check returns a CapError when n is above limit.
func check(n, limit int64, name, what string) error {
	if n > limit {
		return &CapError{Cap: name, Limit: limit, What: what}
	}
	return nil
}

// meter counts the bytes a server sends and refuses those above the cap of
// the current phase. It remembers the refusal, because the layers between
// the network and us turn errors into text.
type meter struct {
	mu   sync.Mutex
	n    int64
	over CapError
	err  error
}

// phase starts counting from zero under another cap.
func (m *meter) phase(limit int64, name, what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n, m.over = 0, CapError{Cap: name, Limit: limit, What: what}
}

// add counts n bytes that arrived.
func (m *meter) add(n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n += int64(n)
	if m.n > m.over.Limit && m.err == nil {
		over := m.over
		m.err = &over
	}
	return m.err
}

// refusal is the error of the first byte above a cap, or nil.
func (m *meter) refusal() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// meteredReader counts what is read.
type meteredReader struct {
	io.Reader
	meter *meter
}

func (r meteredReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if over := r.meter.add(n); over != nil {
		return 0, over
	}
	return n, err
}
