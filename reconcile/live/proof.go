package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// This file holds the proofs without which nothing is dropped or removed. Each
// is nil only on positive answers of live nodes, asked right now; silence,
// loading and what could not be read are errors.

// mayDrop is nil when the data set of l, as it stands, is not needed: it is
// empty, or l is a replica whose master has the data.
func (w *work) mayDrop(ctx context.Context, l *look) error {
	if l.self.Flags.Master {
		return l.empty()
	}
	return w.redundant(ctx, l)
}

// redundant is nil when l is a replica that is empty, or whose master answers,
// is a master, and has all that l has. A master that came back without its
// volume before its replica was elected claims its slots and holds nothing, or
// what clients have written since: only the history of its data tells.
func (w *work) redundant(ctx context.Context, l *look) error {
	n := w.seen.ByID(l.self.Master)
	if n == nil {
		return fmt.Errorf("%s follows %.8s, which was not seen", l.name, l.self.Master)
	}
	master, err := w.look(ctx, n)
	if err != nil {
		return fmt.Errorf("%s may hold the only copy: %w", l.name, err)
	}
	if !master.self.Flags.Master {
		return fmt.Errorf("%s follows %s, which is no master", l.name, n.Name)
	}
	if n.Slots.Minus(master.self.Slots()) != (slot.Set{}) {
		return fmt.Errorf("%s has lost slots since it was seen; %s may hold the only copy", n.Name, l.name)
	}
	mine, knownMine := l.keys()
	its, knownIts := master.keys()
	switch {
	case knownMine && mine == 0:
		return nil
	case l.info.Syncing:
		return fmt.Errorf("%s holds %d keys and is in the middle of a sync with %s", l.name, mine, n.Name)
	case !master.info.Has(&l.info):
		return plan.Held{Hold: plan.OnlyCopyAt(l.name, mine, n.Name)}
	case !knownMine || !knownIts || its == 0: // a reset empties a node and leaves it its history
		return fmt.Errorf("%s holds %d keys and its master %s holds %d", l.name, mine, n.Name, its)
	}
	return nil
}

// mayGo is nil when node l can leave the cluster without a loss: no member
// follows it, no member gives it a slot, the answering masters among the others
// claim all slots that anybody ever claims, and its own data is not needed.
func (w *work) mayGo(ctx context.Context, l *look, others []*look) error {
	if len(l.self.Ranges) > 0 || len(l.self.Open) > 0 {
		return l.empty()
	}
	if err := unneeded(l.self.ID, others); err != nil {
		return err
	}
	return w.mayDrop(ctx, l)
}

// unneeded is nil when every one of others agrees that the node has no slots
// and no followers, and when they own all slots among themselves.
func unneeded(id string, others []*look) error {
	for _, o := range others {
		if o.self.Master == id {
			return fmt.Errorf("%s still follows it", o.name)
		}
		if line := o.lines[id]; line != nil && len(line.Ranges) > 0 {
			return fmt.Errorf("%s still gives it slots %v", o.name, line.Slots())
		}
		for _, line := range o.lines {
			if line.Master == id {
				return fmt.Errorf("%.8s still follows it, says %s", line.ID, o.name)
			}
		}
	}
	if rest := slot.All().Minus(owned(others)); rest != (slot.Set{}) {
		return fmt.Errorf("nobody who answers owns slots %v", rest)
	}
	return nil
}

// gone is nil when a node that does not answer may be forgotten, and never on
// silence alone: another node answers where it stood, by its address or by the
// name that its platform gave it, or a person permits it by
// name, or it is a replica and nothing runs as it. That it has no process its
// platform tells, or its own address, which refuses the connection.
func (w *work) gone(ctx context.Context, n *cluster.Node, members []*look) error {
	if w.renamed(ctx, n.ID, members) {
		return failed(n.ID, members)
	}
	if nowhere(n.ID, members) || slices.Contains(w.want.Allow.Forget, n.Name) {
		return outlived(n.ID, members)
	}
	if n.Health != cluster.Absent {
		view := w.ask(ctx, cluster.Place{Name: n.Name, Addr: n.Addr, Exists: true}, watched)
		if !view.Refused {
			return fmt.Errorf("it is silent (%s), and silence proves nothing", cmp.Or(view.Trouble, "it answers again"))
		}
	}
	return deadReplica(n.ID, members)
}

// nowhere reports whether every member that lists a node has lost its address.
func nowhere(id string, members []*look) bool {
	listed := false
	for _, m := range members {
		if line := m.lines[id]; line != nil {
			listed = true
			if !line.Flags.NoAddr {
				return false
			}
		}
	}
	return listed
}

// renamed reports whether another node answers at the place whose name a node has,
// as all say who know a name of it. Its platform gives a name to another process only
// once the one before has ended, or a person said so (StatefulSets: "at most one").
func (w *work) renamed(ctx context.Context, id string, members []*look) bool {
	var told []string
	for _, m := range members {
		if line := m.lines[id]; line != nil {
			told = append(told, alias(*line))
		}
	}
	name := cluster.AgreedAlias(told)
	for i := range w.seen.Nodes {
		if n := &w.seen.Nodes[i]; name != "" && n.Alias == name && n.ID != "" && n.ID != id {
			_, err := w.look(ctx, n)
			return err == nil
		}
	}
	return false
}

// failed is nil when every member that lists a node calls it failed or has no
// address for it, and nobody needs it.
func failed(id string, members []*look) error {
	for _, m := range members {
		if line := m.lines[id]; line != nil && !line.Flags.Fail && !line.Flags.NoAddr {
			return fmt.Errorf("it is silent, and %s does not call it failed", m.name)
		}
	}
	return unneeded(id, members)
}

// outlived is failed for a node whose data may be needed: its master, where it
// has one, answers and owns slots.
func outlived(id string, members []*look) error {
	masters := map[string]bool{}
	for _, m := range members {
		if m.self.Flags.Master && len(m.self.Ranges) > 0 {
			masters[m.self.ID] = true
		}
	}
	for _, m := range members {
		if line := m.lines[id]; line != nil && line.Master != "" && !masters[line.Master] {
			return errors.New("it is silent, and its master does not answer with slots")
		}
	}
	return failed(id, members)
}

// deadReplica is outlived for a node that every member knows as a replica. Whose
// replica it is a newcomer can't know, for only the node itself could tell it.
// A silent master may have writes that nobody else has.
func deadReplica(id string, members []*look) error {
	listed, told := false, false
	for _, m := range members {
		line := m.lines[id]
		listed, told = listed || line != nil, told || line != nil && line.Master != ""
		if line != nil && !line.Flags.Replica {
			return fmt.Errorf("it is silent, and %s does not know it as a replica", m.name)
		}
	}
	if listed && !told {
		return errors.New("it is silent, and nobody knows whose replica it is")
	}
	return outlived(id, members)
}

// everybody are the members but for the leaving ones. A member that does not
// answer is an error: it would bring a forgotten node back by gossip, and its
// view is part of the proof.
func (w *work) everybody(ctx context.Context, leaving map[string]bool) ([]*look, error) {
	var nodes []*cluster.Node
	for i := range w.seen.Nodes {
		n := &w.seen.Nodes[i]
		if !n.Member || leaving[n.Name] {
			continue
		}
		if n.Health != cluster.Up {
			return nil, fmt.Errorf("%s does not answer: the others' word is not enough, and it would bring the node back", n.Name)
		}
		nodes = append(nodes, n)
	}
	if len(nodes) == 0 {
		return nil, errors.New("no other member is left")
	}
	return w.lookAll(ctx, nodes)
}
