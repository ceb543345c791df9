package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

const (
	allowMigration   = "cluster-allow-replica-migration"
	migrationBarrier = "cluster-migration-barrier"
	// raised is what is added to the barrier while replica migration is switched
	// off for slotwright's own work. No real barrier is that high, so any later
	// run can tell, and put back exactly what was there. The server keeps both
	// in memory only: after a restart they are what they were.
	raised = 1000
)

// isBorrowed reports whether a server's configuration carries the mark.
func isBorrowed(config map[string]string) bool {
	barrier, err := strconv.Atoi(config[migrationBarrier])
	return err == nil && barrier >= raised
}

// returned is the configuration to put back on a server with the mark.
func returned(config map[string]string) map[string]string {
	barrier, err := strconv.Atoi(config[migrationBarrier])
	if err != nil || barrier < raised {
		return nil
	}
	return map[string]string{allowMigration: "yes", migrationBarrier: strconv.Itoa(barrier - raised)}
}

// borrow switches replica migration off at every member of ours where it is on,
// with the mark, in one command: both or nothing.
func (w *work) borrow(ctx context.Context) error {
	return eachErr(w.ours(), func(n *cluster.Node) error {
		now, err := w.migration(ctx, n)
		if err != nil {
			return fmt.Errorf("switch replica migration off at %s: %w", n.Name, err)
		}
		if now[allowMigration] != "yes" {
			return nil
		}
		barrier, err := strconv.Atoi(now[migrationBarrier])
		if err != nil {
			return fmt.Errorf("switch replica migration off at %s: its %s is %q", n.Name, migrationBarrier, clip(now[migrationBarrier]))
		}
		_, err = w.command(ctx, n.Addr, "CONFIG", "SET", allowMigration, "no", migrationBarrier, barrier%raised+raised)
		if err != nil {
			return fmt.Errorf("switch replica migration off at %s: %w", n.Name, err)
		}
		return nil
	})
}

// ours are the members but for strangers: those that the topology names, or once
// did, and all of their shards.
func (w *work) ours() []*cluster.Node {
	root := func(n *cluster.Node) string { return cmp.Or(n.Master, n.ID) }
	wanted := map[string]bool{}
	for i := range w.seen.Nodes {
		if n := &w.seen.Nodes[i]; n.Member && n.Listed {
			wanted[root(n)] = true
		}
	}
	return slices.DeleteFunc(w.members(), func(n *cluster.Node) bool {
		return !n.Listed && !n.Before && !wanted[root(n)]
	})
}

// Tidy puts replica migration back where a run, this one or one that died,
// switched it off. Nodes that do not answer are left for a later run. One that
// took the lock over needs it off, and puts it back itself.
func (c *Cluster) Tidy(ctx context.Context, seen cluster.State) error {
	if err := c.lost(); err != nil {
		return err
	}
	_ = c.Remember(seen) // only a help, see roster
	if err := c.keepServed(ctx, seen); err != nil {
		return err
	}
	w := &work{Cluster: c, seen: seen}
	return eachErr(up(&seen), func(n *cluster.Node) error {
		if err := w.giveBack(ctx, n); err != nil {
			return fmt.Errorf("put replica migration back at %s: %w", n.Name, err)
		}
		return nil
	})
}

func up(seen *cluster.State) []*cluster.Node {
	var nodes []*cluster.Node
	for i := range seen.Nodes {
		if n := &seen.Nodes[i]; n.Health == cluster.Up && !n.Foreign {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (w *work) giveBack(ctx context.Context, n *cluster.Node) error {
	now, err := w.migration(ctx, n)
	if err != nil {
		return err
	}
	back := returned(now)
	if back == nil {
		return nil
	}
	_, err = w.command(ctx, n.Addr, configSet(back)...)
	return err
}

// migration are the live values of the two directives.
func (w *work) migration(ctx context.Context, n *cluster.Node) (map[string]string, error) {
	value, err := w.command(ctx, n.Addr, "CONFIG", "GET", allowMigration, migrationBarrier)
	if err != nil {
		return nil, err
	}
	return asPairs(value), nil
}
