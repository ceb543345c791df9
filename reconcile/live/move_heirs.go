package live

import (
	"context"
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// heirs are the replicas of a master that answer: who may take its place.
func (p *party) heirs(of *end) []*end {
	var out []*end
	for i := range p.seen.Nodes {
		n := &p.seen.Nodes[i]
		if n.Master != of.id || n.Health != cluster.Up {
			continue
		}
		if e, err := p.end(n.Name); err == nil {
			out = append(out, e)
		}
	}
	return out
}

// unreplaced makes sure, right before slots are handed over, that no replica of
// the source has taken its place since it was proven empty. Such an heir claims
// the slots as well and takes writes for them, and whoever of the two loses
// drops what it holds. An election asks the other masters first, and those
// refuse an heir that claims what is another's by now; CLUSTER FAILOVER
// TAKEOVER asks nobody. The source itself learns of it only from its heir, so
// the replicas are asked. What is left open is the time that our claim takes to
// reach them. One that does not answer is no heir that takes writes.
func (w *pair) unreplaced(ctx context.Context) error {
	for _, e := range w.replicas {
		if self, _, err := e.view(ctx); err == nil && self.ID == e.id && self.Flags.Master {
			return fmt.Errorf("%s has taken the place of %s: no slot is handed over from there", e.name, w.from.name)
		}
	}
	return nil
}
