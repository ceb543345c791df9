package live

import (
	"context"
	"fmt"
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// heir is a replica that answers: who may take the place of its master.
type heir struct {
	*end
	of *end
}

func (p *party) heirs(of *end) []heir {
	var out []heir
	for i := range p.seen.Nodes {
		n := &p.seen.Nodes[i]
		if n.Master != of.id || n.Health != cluster.Up {
			continue
		}
		if e, err := p.end(n.Name); err == nil {
			out = append(out, heir{e, of})
		}
	}
	return out
}

// undisturbed makes sure, right before slots are handed over, that nobody has
// begun anything with them since they were proven empty. Whoever did claims
// them as well, and the one of the two that loses drops what it holds.
//
//   - The source may have agreed to give way, and the votes not be counted yet.
//     It is asked by firm, which waits for the end of that.
//   - A person may be moving a slot elsewhere: then the source's mark says so.
//   - A person may have taken the source's mark away, and a client found the
//     source take a new key: then the mark is missing, or there are keys. That is
//     stirred: nothing is lost yet, and the slots are emptied again.
//
// That no replica has taken the place of the source, which learns of it only from
// its heir, or of the target, timely makes sure of: an election asks the other
// masters first, and from the next step on those refuse (warn); CLUSTER FAILOVER
// TAKEOVER asks nobody. Where the target was asked to give way, inTime keeps it from
// taking slots, whenever that was.
//
// What is left open is the time from here until the other masters hear of the
// claim: three messages. A replica that asks nobody may take the place of the
// source. So may one that has the votes of masters who could not be told, or who
// heard from both ends in that time that all is as it was (warn); or that of the
// source alone, where no other master owns slots. The source can lose its mark and
// take a key after it has answered here and before the target has the claim. And a
// target that stands still in that time, for longer than the node timeout, comes
// back as a master of these slots beside its heir, which serves all others it had.
func (w *pair) undisturbed(ctx context.Context, slots []int) error {
	self, counts, err := w.from.firmCount(ctx, slots)
	switch {
	case err != nil:
		return err
	case self.ID != w.from.id:
		return w.from.isNow(self.ID)
	case !self.Flags.Master:
		return fmt.Errorf("%s is a replica now: no slot is handed over between %s and %s", w.from.name, w.from.name, w.to.name)
	}
	owned, sends := self.Slots(), map[int]bool{}
	for _, m := range self.Open {
		sends[m.Slot] = !m.Importing && m.Peer == w.to.id
		if m.Peer != w.to.id && slices.Contains(slots, m.Slot) {
			return fmt.Errorf("slot %d: somebody else moves it from %s to %.8s: wait until that has ended", m.Slot, w.from.name, m.Peer)
		}
	}
	for i, s := range slots {
		switch {
		case !owned.Has(s):
			return fmt.Errorf("slot %d is not that of %s any more", s, w.from.name)
		case !sends[s] || counts[i] > 0:
			return stirred{s, w.from.name}
		}
	}
	return nil
}

// stirred is a slot whose source may take new keys since it was proven empty, or
// has taken some: its mark is gone, or keys are there. It has to be emptied again.
type stirred struct {
	slot int
	at   string
}

func (e stirred) Error() string {
	return fmt.Sprintf("slot %d: its mark at %s is taken away, or keys come to it, while it moves: let nobody else touch it", e.slot, e.at)
}

// firmCount is the node's own line and the keys of each slot, in every
// database, all of one moment at which it was not giving way to a replica.
func (e *end) firmCount(ctx context.Context, slots []int) (self cluster.Line, counts []int64, err error) {
	cmds, at := [][]any{{"CLUSTER", "NODES"}}, make([]int, e.dbs)
	for db := range e.dbs {
		if e.dbs > 1 { // for the rest of the script only
			cmds = append(cmds, []any{"SELECT", db})
		}
		at[db] = len(cmds)
		for _, s := range slots {
			cmds = append(cmds, []any{"CLUSTER", "COUNTKEYSINSLOT", s})
		}
	}
	replies := e.firm(ctx, "", "", cmds)
	for _, r := range replies {
		if r.Err != nil {
			return self, nil, fmt.Errorf("%s: %w", e.name, r.Err)
		}
	}
	counts = make([]int64, len(slots))
	for _, first := range at {
		for i := range slots {
			n, ok := replies[first+i].Value.(int64)
			if !ok {
				return self, nil, fmt.Errorf("count slot %d at %s: %w", slots[i], e.name, orGarbage(replies[first+i]))
			}
			counts[i] += n
		}
	}
	self, _, err = e.read(replies[0].Value)
	return self, counts, err
}
