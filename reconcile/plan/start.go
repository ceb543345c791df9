package plan

import "github.com/slotwright/slotwright/reconcile/cluster"

// start makes the listed nodes that the platform has not made, or starts them
// again. A static inventory has none such.
func (d *draft) start() []Step {
	if !makes(d.want) || d.taken() {
		return nil
	}
	var out []Step
	for i := range d.now.Nodes {
		n := d.node(i)
		if n.Listed && (!n.Exists || n.Health == cluster.Absent) {
			out = append(out, Step{Kind: Start, Node: n.Name, Reason: "it is listed and does not run"})
		}
	}
	return out
}

func (s *Step) started(now *cluster.State) {
	n := find(now, s.Node)
	if n == nil {
		return
	}
	n.Exists, n.Health, n.Trouble = true, cluster.Up, ""
	if n.ID == "" {
		n.ID = "of " + n.Name // unknown until it runs
	}
	if n.Keys < 0 && !n.Member {
		n.Keys = 0
	}
	n.Linked = n.Master != ""
	if n.Linked {
		n.Lag = 0
	}
}
