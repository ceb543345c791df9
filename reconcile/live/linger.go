package live

import (
	"context"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// lingering is how long a master that lost its last slots goes on telling
// clients where they are. A client learns of a new owner by asking the old one
// (MOVED); a blank server says CLUSTERDOWN, which many take for an outage.
const lingering = 5 * time.Second

// noteEmptied remembers when slots left nodes, for linger.
func (c *Cluster) noteEmptied(steps []plan.Step) {
	for _, s := range steps {
		c.emptied[s.From] = time.Now()
	}
}

// linger waits until nodes that this run emptied, and their replicas, have
// redirected clients for long enough. What an earlier run emptied has done so
// meanwhile.
func (w *work) linger(ctx context.Context, steps []plan.Step) error {
	for _, s := range steps {
		emptied, ok := w.emptied[s.Node]
		if n := w.seen.Node(s.Node); !ok && n != nil {
			if master := w.seen.ByID(n.Master); master != nil {
				emptied, ok = w.emptied[master.Name]
			}
		}
		if !ok {
			continue
		}
		w.waiting(s, "it redirects clients for a moment longer")
		if err := pause(ctx, time.Until(emptied.Add(lingering))); err != nil {
			return err
		}
	}
	return nil
}
