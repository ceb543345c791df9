package follow

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/slotwright/slotwright/reconcile/whole"
	"github.com/slotwright/slotwright/spec"
)

// Memory is a file with what a source last said. No run needs it to go on with
// a cluster: it is for a restart while the source can't be read or holds
// a mistake, and for knowing which history a branch had. A nil Memory remembers
// nothing.
type Memory struct{ path, name string }

const (
	memoryVersion = 1
	maxMemory     = 64 << 20 // bytes; a thousand clusters of six nodes have about one
)

type memoryFile struct {
	FormatVersion int             `json:"formatVersion"`
	Source        string          `json:"source"`
	Seen          string          `json:"seen"`
	Good          string          `json:"good"`
	Clusters      []memoryCluster `json:"clusters"`
}

type memoryCluster struct {
	Cluster  string    `json:"cluster"`
	File     string    `json:"file"`
	Line     int       `json:"line"`
	Revision string    `json:"revision"`
	Signer   string    `json:"signer,omitempty"`
	Orphaned time.Time `json:"orphaned,omitzero"`
	Topology string    `json:"topology"`
}

// Remember opens the memory of a source in a state directory, which is made if
// need be. The name is for people; the words are all that tells this source from
// others, and may hold what nobody should read.
func Remember(state, name string, words ...string) (*Memory, error) {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	text, err := json.Marshal(words)
	if err != nil {
		return nil, err
	}
	id := fmt.Sprintf("%x", sha256.Sum256(text))[:16]
	return &Memory{path: filepath.Join(state, "source-"+id), name: name}, nil
}

// Seen is the revision that an earlier process saw last, or "" when there was
// none. The error says that there was one, and that it can't be told any more.
func (m *Memory) Seen() (string, error) {
	file, err := m.load()
	return file.Seen, err
}

// Forget drops orphans by name. What is not one is left as it is.
func (m *Memory) Forget(names []string) error {
	file, err := m.load()
	if err != nil || len(names) == 0 {
		return err
	}
	before := len(file.Clusters)
	file.Clusters = slices.DeleteFunc(file.Clusters, func(c memoryCluster) bool {
		return !c.Orphaned.IsZero() && slices.Contains(names, c.Cluster)
	})
	if len(file.Clusters) == before {
		return nil
	}
	return m.save(file)
}

// Path is the file, for messages.
func (m *Memory) Path() string { return m.path + ".json" }

// Beside is a file for something else that is known of the same source.
func (m *Memory) Beside(what string) string { return m.path + "." + what + ".json" }

func (m *Memory) load() (memoryFile, error) {
	f, err := os.Open(m.Path())
	if errors.Is(err, os.ErrNotExist) {
		return memoryFile{}, nil
	}
	if err != nil {
		return memoryFile{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMemory+1))
	if err != nil {
		return memoryFile{}, fmt.Errorf("read %s: %w", m.Path(), err)
	}
	if len(text) > maxMemory {
		return memoryFile{}, fmt.Errorf("read %s: more than %d MiB", m.Path(), maxMemory>>20)
	}
	var file memoryFile
	if err := json.Unmarshal(text, &file); err != nil {
		return memoryFile{}, fmt.Errorf("read %s: %w", m.Path(), err)
	}
	if file.FormatVersion != memoryVersion {
		return memoryFile{}, fmt.Errorf("read %s: format %d, this version reads %d", m.Path(), file.FormatVersion, memoryVersion)
	}
	return file, nil
}

// read is what was remembered. Nothing of it is believed unchecked: what is no
// topology, or not permitted any more, is left out. With the error, the book
// has what could be read.
func (m *Memory) read(o Origin) (*book, error) {
	b := newBook()
	if m == nil {
		return b, nil
	}
	file, err := m.load()
	if err != nil {
		return b, err
	}
	var wrong []error
	for _, c := range file.Clusters {
		all, err := spec.Load([]spec.Source{{Name: c.File, Data: []byte(c.Topology)}})
		if err == nil && len(all) == 1 {
			all[0].Line = c.Line
			if refused := o.refuse(all[0]); len(refused) > 0 {
				err = refused
			}
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		b.entries[all[0].Name] = Entry{Topology: all[0], Revision: c.Revision, Signer: c.Signer, Orphaned: c.Orphaned}
	}
	b.seen, b.good = file.Seen, file.Good
	if clashes := spec.Clashes(wanted(b.entries)); len(clashes) > 0 {
		return newBook(), clashes
	}
	return b, errors.Join(wrong...)
}

// write remembers a book. The file is replaced whole or not at all, and is on
// the disk afterwards.
func (m *Memory) write(b *book) error {
	if m == nil {
		return nil
	}
	file := memoryFile{FormatVersion: memoryVersion, Source: m.name, Seen: b.seen, Good: b.good, Clusters: []memoryCluster{}}
	for _, name := range slices.Sorted(maps.Keys(b.entries)) {
		e := b.entries[name]
		text, err := spec.Format(e.Topology)
		if err != nil {
			return err
		}
		file.Clusters = append(file.Clusters, memoryCluster{
			Cluster: name, File: e.Topology.File, Line: e.Topology.Line, Revision: e.Revision, Signer: e.Signer,
			Orphaned: e.Orphaned, Topology: string(text),
		})
	}
	return m.save(file)
}

func (m *Memory) save(file memoryFile) error {
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	return whole.Write(m.Path(), append(text, '\n'))
}
