package livetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// TruthReport is what the clients saw. A fleet that keeps its word leaves
// Broken empty.
type TruthReport struct {
	Writes, Copied int64 // attempts, and those that a replica acknowledged
	Reads          int64
	Refused        int64    // attempts that no server took in time: clients waited, nothing changed
	Unknown        int64    // writes of which nobody can say whether they arrived
	Broken         []string // what nothing excuses, one sentence a key
	Own            []string // what the servers' own replication lost, one sentence a key
	Stale          int      // reads that a fallen master, or the heir of one, answered with something older
	Falls          []string // what each fall may have cost at most
}

func (r TruthReport) String() string {
	return fmt.Sprintf("%d writes, %d with a replica; %d reads; %d refused, %d of unknown end; %d broken, %d lost by replication, %d stale; falls: %v",
		r.Writes, r.Copied, r.Reads, r.Refused, r.Unknown, len(r.Broken), len(r.Own), r.Stale, r.Falls)
}

func (tr *Truth) report(dumb *sync.Map) TruthReport {
	tr.mu.Lock()
	reads, falls := slices.Clone(tr.reads), slices.Clone(tr.falls)
	tr.mu.Unlock()
	out := TruthReport{Writes: tr.count.writes.Load(), Copied: tr.count.copied.Load(), Reads: tr.count.reads.Load(),
		Refused: tr.count.refused.Load(), Unknown: tr.count.unknown.Load()}
	broken, own := map[string]string{}, map[string]string{}
	dumb.Range(func(name, _ any) bool { broken[name.(string)] = name.(string) + " can't be read"; return true })
	for _, r := range reads {
		sentence := fmt.Sprintf("%s (slot %d) is version %d at %s, and was %d", r.key.name, r.key.slot, r.got, r.addr, r.floor)
		switch tr.verdict(r, falls) {
		case broke:
			broken[r.key.name] = sentence + tr.history(r.key)
		case lost:
			own[r.key.name] = sentence
		case stale:
			out.Stale++
		}
	}
	out.Broken, out.Own = slices.Sorted(maps.Values(broken)), slices.Sorted(maps.Values(own))
	for _, f := range falls {
		out.Falls = append(out.Falls, fmt.Sprintf("%s (%s): writes of the last %s and keys of %d slots, %d slots open",
			f.name, f.how, f.at.Sub(tr.covered(f.addr, f.at)).Round(1e6), f.late.Len(), f.open.Len()))
	}
	return out
}

// history is the last that was written to a key.
func (tr *Truth) history(k *truthKey) (text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, w := range k.writes[max(0, len(k.writes)-3):] {
		text += fmt.Sprintf("; %d sent to %s at %s, acknowledged %v, by a replica %v", w.version, w.addr, w.sent.Format("05.000"), w.acked, w.copied)
	}
	return text
}

type verdict int

const (
	broke verdict = iota
	lost
	stale
)

// verdict explains a read of an old version. Three things excuse it, all of
// them the servers' own and there without anybody who moves slots:
//
//   - It was answered by a master that had fallen hard and did not know yet.
//     Nobody else may answer like that.
//   - It was answered by the heir of a master that fell with the slot on its way
//     elsewhere, on servers whose replicas know nothing of marks: until the mark
//     is set again the heir serves the slot as if no key had left. That ends
//     with the Audit, and no value is lost by it.
//   - All versions that are missing were lost in the fall of a master, see
//     ownLoss.
func (tr *Truth) verdict(r read, falls []*fall) verdict {
	if r.got < 0 {
		return broke
	}
	for _, f := range falls {
		heir := slices.Contains(f.mates, r.addr)
		switch {
		case !f.lasted(r.ended):
		case f.how != Agreed && r.addr == f.addr:
			return stale
		case (heir || r.addr == f.addr) && !tr.marks && f.open.Has(r.key.slot):
			return stale
		}
	}
	for v := r.got + 1; v <= r.floor; v++ {
		if !tr.mayLose(r, v, falls) {
			return broke
		}
	}
	return lost
}

// mayLose says whether a version of a key may be missing.
func (tr *Truth) mayLose(r read, version int64, falls []*fall) bool {
	r.key.mu.Lock()
	writes := slices.Clone(r.key.writes)
	r.key.mu.Unlock()
	i := slices.IndexFunc(writes, func(w write) bool { return w.version == version && w.acked })
	if i < 0 {
		if version < r.floor || r.saw.addr == "" {
			return true // never acknowledged, and nobody had it
		}
		return slices.ContainsFunc(falls, func(f *fall) bool { return tr.ownLoss(f, r.key.slot, r.saw.at(f)) })
	}
	return slices.ContainsFunc(falls, func(f *fall) bool {
		return tr.ownLoss(f, r.key.slot, writes[i]) || slices.ContainsFunc(writes[i:], func(w write) bool {
			return w.acked && deletes(w.version) && w.addr == writes[i].addr && tr.revived(f, r.key.slot, w) // and took this one along
		})
	})
}

// at is a sight as a fall takes it: nobody was told OK, but the version was
// there, no earlier than it was asked for and no later than the answer. What came
// to the fallen from another may have left that one as soon as it was asked for.
func (s sight) at(f *fall) write {
	w := write{version: s.version, addr: s.addr, sent: s.sent, acked: true}
	if s.addr == f.addr {
		w.sent = s.ended
	}
	return w
}

// contested is how long two masters may both take writes of a slot after a
// TAKEOVER: until the message of one has reached the other, on a busy machine.
const contested = time.Second

// ownLoss says whether a write may have been lost by the replication of a
// master that fell hard. What a replica acknowledged on the connection of the
// write (WAIT 1) is safe from the fall of that master, and since replication is
// one ordered stream, so is all that the master had when such a write was sent:
//
//   - A write that the fallen master itself acknowledged after that, and its
//     replica did not, may be lost.
//
//   - A key that came to the fallen master from another after that may be lost,
//     however well it was kept before: MIGRATE deletes it at its source when the
//     target has it, not when the target's replica has. These are the slots that
//     the master did not own yet when the write was sent that proves the rest.
//     It takes them until it is gone: a killed process ends some time after the
//     signal was sent.
//
//   - After a TAKEOVER also what was written before to the slots that were open
//     in that moment, see Unasked.
//
// Nothing else may be lost, in particular no key of another master, and no
// write after the fall.
//
// A deletion is lost when the key is back. Replication loses it, too, in two ways
// more, both in slots that were on their way from the fallen master:
//
//   - The key had left, its deletion was acknowledged where it had gone, and the
//     replica had not heard yet that it left. The heir has the key, and nobody
//     can tell it from one that never left.
//   - The heir itself acknowledged it. It knew nothing of marks, had not the key,
//     and sent nobody to where it was.
//
// In every other case a deleted key that is back was brought back by whoever moves
// slots: one copy too many came to life with its slot.
func (tr *Truth) ownLoss(f *fall, slot int, w write) bool {
	if deletes(w.version) && w.addr != f.addr {
		return tr.revived(f, slot, w)
	}
	switch {
	case f.how == Agreed:
		return false
	case w.addr == f.addr && f.lasted(w.sent):
		return !w.copied // it did not know yet that it was deposed
	case f.how == Unasked && f.open.Has(slot) && w.sent.Before(f.at.Add(contested)):
		return true
	case w.addr == f.addr:
		return !w.copied && w.sent.Before(f.at) && w.sent.After(tr.covered(f.addr, f.at))
	}
	return f.late.Has(slot) && !w.sent.After(f.done)
}

// revived says whether a key may be back whose deletion another server than the
// fallen master acknowledged, see ownLoss.
func (tr *Truth) revived(f *fall, slot int, w write) bool {
	switch {
	case !f.open.Has(slot):
		return false
	case slices.Contains(f.mates, w.addr) && f.lasted(w.sent):
		return !tr.marks
	}
	return f.how != Agreed && w.sent.Before(f.done) && w.sent.After(tr.covered(f.addr, f.at))
}
