package follow

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/slotwright/slotwright/gitsync"
	"github.com/slotwright/slotwright/spec"
)

// Entry is what the source last said of one cluster without a mistake.
type Entry struct {
	Topology spec.Topology
	// Revision is the newest one that says so, Signer who signed it.
	Revision, Signer string
	// Orphaned is when the source stopped to name the cluster; zero while it
	// names it.
	Orphaned time.Time
}

// book is all that a source has said, as far as it still counts.
type book struct {
	seen     string           // the last revision that was handed out, good or not
	refused  string           // a newer one that was not, as a whole; "" for none
	good     string           // the last without a mistake
	entries  map[string]Entry // by cluster
	mistakes spec.Mistakes    // of the revision seen
}

func newBook() *book { return &book{entries: map[string]Entry{}} }

// turn takes in a snapshot. A cluster with a mistake stays as it was last
// wanted, and so does one that is not found while there are mistakes: a file
// that can't be read doesn't say whose it is. In a snapshot without mistakes, a
// cluster that is not named has become an orphan.
func (b *book) turn(s gitsync.Snapshot, o Origin, now time.Time) {
	found, mistakes := o.load(s, wanted(b.entries))
	if len(mistakes) > 0 {
		var clashes spec.Mistakes
		found, clashes = b.fitting(found)
		mistakes = append(mistakes, clashes...)
	}
	next := maps.Clone(b.entries)
	for _, t := range found {
		next[t.Name] = Entry{Topology: t, Revision: s.Revision, Signer: s.Signer}
	}
	if len(mistakes) == 0 {
		b.good = s.Revision
		orphan(next, found, now)
	}
	b.seen, b.refused, b.entries, b.mistakes = s.Revision, "", next, mistakes
}

// fitting are those topologies that go together with what stays in force beside
// them: a node that was to move from a cluster that now has a mistake stays where
// it is. Whoever is left out stays as it was, too, which others may not go
// together with in turn.
func (b *book) fitting(found []spec.Topology) ([]spec.Topology, spec.Mistakes) {
	var mistakes spec.Mistakes
	for range len(found) + 1 {
		named := map[string]bool{}
		for _, t := range found {
			named[t.Name] = true
		}
		stay := slices.DeleteFunc(wanted(b.entries), func(t spec.Topology) bool { return named[t.Name] })
		kept, clashes := spec.Part(slices.Concat(stay, found), stay)
		if len(clashes) == 0 {
			return found, mistakes
		}
		mistakes = append(mistakes, clashes...)
		found = slices.DeleteFunc(kept, func(t spec.Topology) bool { return !named[t.Name] })
	}
	return nil, mistakes
}

// newest is the last revision there was, taken or not.
func (b *book) newest() string { return cmp.Or(b.refused, b.seen) }

// refuse takes in that a revision is refused as a whole, and reports whether that
// is news. Nothing of it counts but this: where it has no file at all, it names
// no cluster.
func (b *book) refuse(r *gitsync.Refused, o Origin, now time.Time) bool {
	mistake := spec.Mistake{File: o.whole(), Text: r.Reason, Hint: lift(r)}
	if b.refused == r.Revision && slices.Equal(b.mistakes, spec.Mistakes{mistake}) {
		return false
	}
	if errors.Is(r, gitsync.ErrNoFiles) {
		b.entries = maps.Clone(b.entries)
		orphan(b.entries, nil, now)
	}
	b.refused, b.mistakes = r.Revision, spec.Mistakes{mistake}
	return true
}

// lift is what to do about a revision that is refused, where it does not say so
// itself.
func lift(r *gitsync.Refused) string {
	switch {
	case errors.Is(r, gitsync.ErrRewritten):
		return "push a commit that descends from the old one; or stop the daemon, remove its memory of this source and start it again"
	case errors.Is(r, gitsync.ErrNoFiles):
		return "clusters are named by *.yaml and *.yml files; a file that is gone removes nothing"
	}
	return ""
}

// orphan marks the entries that were not found.
func orphan(entries map[string]Entry, found []spec.Topology, now time.Time) {
	named := map[string]bool{}
	for _, t := range found {
		named[t.Name] = true
	}
	for name, e := range entries {
		if !named[name] && e.Orphaned.IsZero() {
			e.Orphaned = now
			entries[name] = e
		}
	}
}

// wanted are the topologies of all entries that are no orphans, by name.
func wanted(entries map[string]Entry) []spec.Topology {
	var all []spec.Topology
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if e := entries[name]; e.Orphaned.IsZero() {
			all = append(all, e.Topology)
		}
	}
	return all
}

// load reads the topologies of a snapshot, but for those that this source may
// not have, or that claim what others have in force.
func (o Origin) load(s gitsync.Snapshot, inForce []spec.Topology) ([]spec.Topology, spec.Mistakes) {
	var sources []spec.Source
	var mistakes spec.Mistakes
	_ = fs.WalkDir(s.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return nil
		}
		data, err := fs.ReadFile(s.Files, name)
		if err != nil {
			mistakes = append(mistakes, spec.Mistake{File: path.Join(o.Shown, name), Text: err.Error()})
			return nil
		}
		sources = append(sources, spec.Source{Name: path.Join(o.Shown, name), Data: data})
		return nil
	})
	all, err := spec.LoadOver(sources, inForce)
	var wrong spec.Mistakes
	if errors.As(err, &wrong) {
		mistakes = append(mistakes, wrong...)
	}
	var fit []spec.Topology
	for _, t := range all {
		wrong := o.refuse(t)
		if mistakes = append(mistakes, wrong...); len(wrong) == 0 {
			fit = append(fit, t)
		}
	}
	return fit, mistakes
}
