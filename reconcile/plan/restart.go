package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// restart brings in what a running server refuses, or what only a new pod has,
// one node at a time and replicas first. A master is restarted only after a replica took over: one
// that comes back within the node timeout without its data would have its
// replicas drop theirs.
func (d *draft) restart() []Step {
	if d.aim.frozen || !d.agreed() {
		return nil
	}
	var masters []int
	for i := range d.now.Nodes {
		if !d.needRestart(i) || d.aim.seat[i] == nowhere {
			continue
		}
		if d.lead[i] == itself || !owns(d.want) {
			masters = append(masters, i)
		} else if d.quiet("restarting") {
			return []Step{d.restartStep(i)}
		}
	}
	for _, i := range masters {
		if step, ok := d.relieve(i); ok {
			return []Step{step}
		}
	}
	return nil
}

func (d *draft) needRestart(i int) bool {
	_, restart := d.differing(i)
	n := d.node(i)
	return len(restart) > 0 || n.Outdated && n.Listed && n.Member && d.up(i)
}

// willRestart reports whether nodes are yet to be restarted by this plan or the
// rest of it. Masters go back to an even spread once after the last of them, or
// every one of them would turn twice.
func (d *draft) willRestart() bool {
	if d.aim.frozen || !owns(d.want) {
		return false
	}
	for i := range d.now.Nodes {
		if !d.needRestart(i) || d.aim.seat[i] == nowhere {
			continue
		}
		if s := d.shardOf(i); d.lead[i] != itself || s != nil && s.master == i && len(s.members) > 1 {
			return true
		}
	}
	return false
}

func (d *draft) restartStep(i int) Step {
	_, restart := d.differing(i)
	m := d.root(i)
	step := Step{
		Kind: Restart, Node: d.name(i), Config: restart, Shard: d.name(m), Bare: d.syncedOf(m) == 1,
		Reason: "a running server refuses to change it",
	}
	if d.node(i).Outdated {
		step.Reason = "it runs as an older topology wanted it"
	}
	return step
}

// relieve has a replica take over from master i, so that it can be restarted.
func (d *draft) relieve(i int) (Step, bool) {
	s := d.shardOf(i)
	if owns(d.want) && s != nil && s.master == i {
		for _, f := range s.members {
			if d.lead[f] == i && d.synced(f) && d.have[i] > 0 && !d.openAt(i) && d.quiet("restarting") {
				step := d.promoteStep(s, false)
				step.Node, step.Reason = d.name(f), d.name(i)+" has to be restarted"
				return step, true
			}
		}
		if len(s.members) > 1 {
			return Step{}, false // its replica is on the way
		}
	}
	d.hold(Hold{
		Why: Stuck, Code: RestartNeeded, Node: d.name(i),
		Text: fmt.Sprintf("%s must be restarted to change %s", d.name(i), d.aged(i)),
		Lift: "restart it yourself: replicas first, a master only after CLUSTER FAILOVER at its replica",
	})
	return Step{}, false
}

// aged is what a restart of node i would change.
func (d *draft) aged(i int) string {
	_, restart := d.differing(i)
	names := slices.Sorted(maps.Keys(restart))
	if d.node(i).Outdated {
		names = append(names, "its template")
	}
	return strings.Join(names, ", ")
}

func (s *Step) restarted(now *cluster.State) {
	s.configured(now)
	if n := find(now, s.Node); n != nil {
		n.Outdated = false
	}
}
