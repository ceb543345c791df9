package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// furnish brings what the platform keeps around the nodes to what the topology
// wants, before any node is made: a pod needs its configuration to start. It
// changes no node that runs.
func (d *draft) furnish() []Step {
	if d.taken() {
		return nil
	}
	var wrong []string
	for _, f := range d.now.Fixtures {
		if f.Lift == "" {
			wrong = append(wrong, f.Name+" "+f.Text)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return []Step{{Kind: Furnish, Reason: strings.Join(wrong, ", ")}}
}

// taken reports whether somebody else has a name that the platform needs.
func (d *draft) taken() bool {
	return slices.ContainsFunc(d.now.Fixtures, func(f cluster.Fixture) bool { return f.Taken })
}

// fixtures are the holds for what the platform can't have as the topology wants
// it.
func (d *draft) fixtures() []Hold {
	var out []Hold
	for _, f := range d.now.Fixtures {
		switch {
		case f.Taken:
			out = append(out, Hold{
				Stuck, NameTaken, "", fmt.Sprintf("%s %s, so nothing is made", f.Name, f.Text),
				"remove or rename that one, or give the cluster another metadata.name",
			})
		case f.Lift != "":
			out = append(out, Hold{Stuck, CantChange, "", fmt.Sprintf("%s %s", f.Name, f.Text), f.Lift})
		}
	}
	return out
}

func (s *Step) furnished(now *cluster.State) {
	now.Fixtures = slices.DeleteFunc(now.Fixtures, func(f cluster.Fixture) bool { return !f.Taken && f.Lift == "" })
}
