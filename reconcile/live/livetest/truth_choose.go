package livetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Choose does what a person does who is told that a key of an open slot has two
// values: it deletes the older one. It returns the keys it chose between, one
// sentence each, and an error for a key that had no business to have two: only
// the heir of a master that fell with the slot on its way elsewhere makes a
// second one, on servers whose replicas know nothing of marks, or one of the two
// has one of a slot that was on its way to that master.
func (tr *Truth) Choose() (chosen []string, err error) {
	open := map[int]bool{}
	for _, o := range tr.fleet.selves() {
		for _, m := range o.marks {
			open[m.slot] = true
		}
	}
	r := tr.fleet.router()
	defer r.close()
	tr.mu.Lock()
	keys, falls := tr.keys[:len(tr.keys):len(tr.keys)], tr.falls
	tr.mu.Unlock()
	for _, k := range keys {
		if !open[k.slot] {
			continue
		}
		newest, older := r.copies(k)
		for addr, version := range older {
			made := false
			for _, f := range falls {
				made = made || !tr.marks && f.open.Has(k.slot) || f.late.Has(k.slot) && slices.Contains(append(f.mates, f.addr), addr)
			}
			if !made {
				err = errors.Join(err, fmt.Errorf("%s (slot %d) has version %d at %s and version %d elsewhere, and no fall made the second", k.name, k.slot, version, addr, newest))
			}
			if a := r.once(addr, [][]any{{"ASKING"}, {"DEL", k.name}}); a.refused != nil || a.unknown != nil {
				err = errors.Join(err, a.refused, a.unknown)
			}
			chosen = append(chosen, fmt.Sprintf("%s: version %d, not %d at %s", k.name, newest, version, addr))
		}
	}
	return chosen, err
}

// copies asks every server for a key of an open slot: which version is the
// newest, and who has older ones.
func (r *router) copies(k *truthKey) (newest int64, older map[string]int64) {
	all := map[string]int64{}
	for _, s := range r.fleet.running() {
		a := r.once(s.Addr, [][]any{{"ASKING"}, {"GET", k.name}})
		var refusal redis.Error
		if errors.As(a.refused, &refusal) || a.unknown != nil {
			continue // a replica, or a stranger to the slot
		}
		if version, ok := versionOf(k.name, a.values[0]); ok && version > 0 {
			all[s.Addr] = version
			newest = max(newest, version)
		}
	}
	for addr, version := range all {
		if version == newest {
			delete(all, addr)
		}
	}
	return newest, all
}
