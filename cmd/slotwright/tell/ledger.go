package tell

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/slotwright/slotwright/reconcile/whole"
)

// Ledger remembers what was told last, where and of whom. It may be read and
// written from anywhere.
type Ledger struct {
	path string

	mu  sync.Mutex
	now ledgerFile
}

// said is what was told last of one subject at one place.
type said struct {
	Revision string `json:"revision"`
	Key      string `json:"key"`
	Working  bool   `json:"working,omitempty"`
}

type ledgerFile struct {
	FormatVersion int                         `json:"formatVersion"`
	Places        map[string]map[string]*said `json:"places"` // by place, by subject
}

const (
	ledgerVersion = 1
	maxLedger     = 16 << 20 // bytes; a thousand clusters have about one
)

// OpenLedger reads a ledger, which need not exist. With an error the ledger is
// empty and good: then some things are told twice. What a process that was
// killed left beside it is swept up: nobody else may have it open.
func OpenLedger(path string) (*Ledger, error) {
	whole.Sweep(path)
	l := &Ledger{path: path, now: emptyLedger()}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLedger+1))
	if err == nil && len(text) > maxLedger {
		err = fmt.Errorf("more than %d MiB", maxLedger>>20)
	}
	if err == nil {
		err = json.Unmarshal(text, &l.now)
	}
	if err == nil && l.now.FormatVersion != ledgerVersion {
		err = fmt.Errorf("format %d, this version reads %d", l.now.FormatVersion, ledgerVersion)
	}
	if err != nil || l.now.Places == nil {
		l.now = emptyLedger()
	}
	if err != nil {
		return l, fmt.Errorf("read %s: %w", path, err)
	}
	return l, nil
}

func emptyLedger() ledgerFile {
	return ledgerFile{FormatVersion: ledgerVersion, Places: map[string]map[string]*said{}}
}

// told is what was told of a subject, nil when nothing was.
func (l *Ledger) told(place, subject string) *said {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now.Places[place][subject]
}

// note remembers that a note was told.
func (l *Ledger) note(place string, n Note) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now.Places[place] == nil {
		l.now.Places[place] = map[string]*said{}
	}
	l.now.Places[place][n.Subject] = &said{n.Revision, n.Key, n.Working}
	return l.save()
}

// keep drops subjects that are not among the notes. That is not worth a write
// of its own.
func (l *Ledger) keep(place string, notes []Note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	there := map[string]bool{"": true}
	for _, n := range notes {
		there[n.Subject] = true
	}
	for subject := range l.now.Places[place] {
		if !there[subject] {
			delete(l.now.Places[place], subject)
		}
	}
}

// save replaces the file whole or not at all. It needs l.mu.
func (l *Ledger) save() error {
	text, err := json.MarshalIndent(l.now, "", "  ")
	if err != nil {
		return err
	}
	return whole.Write(l.path, append(text, '\n'))
}
