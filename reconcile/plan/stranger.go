package plan

import (
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// Remembered is what people should know of nodes that were members before.
func Remembered(now *cluster.State) []string {
	var out []string
	if now.Unremembered != "" {
		out = append(out, "which nodes were members before can't be told, and one that left the file is a stranger: "+
			now.Unremembered+"; bring that file back, or remove it")
	}
	for _, f := range now.Former {
		out = append(out, fmt.Sprintf("%s was forgotten without a reset and runs at %s as if it were a member: stop it, or CLUSTER RESET it before it is used", f.Name, f.Addr))
	}
	return out
}

// once is what earlier runs knew a stranger as.
func once(n *cluster.Node) string {
	if n.Once == "" {
		return ""
	}
	return "; an earlier run knew it as " + n.Once
}

// strange is about a stranger that serves slots.
func (d *draft) strange(i int) Hold {
	n := d.node(i)
	h := Hold{
		Stuck, Stranger, n.Name,
		fmt.Sprintf("%s serves %s and no topology names it, so no slots move%s", n.Name, plural(d.have[i], "slot"), once(n)),
		"list the node, or move its slots away by hand",
	}
	if n.Once != "" {
		h.Lift += "; if the cluster was given another name, give it the old one back"
	}
	if d.now.Unremembered != "" {
		h.Text += "; whether it was listed before can't be told: " + d.now.Unremembered
		h.Lift += "; or bring the list of members back"
	}
	return h
}
