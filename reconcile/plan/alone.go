package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// unexplained reports whether a node holds keys of slot n that no move is known
// to have brought. A move marks its source before the first key leaves, and the
// source keeps the mark as long as it is the master. So such keys may be older
// than the owner's, as those of a server that came back with an old dump
// (verifyClusterConfigWithData marks their slots as importing), and to join
// them would revive what clients have deleted.
func (d *draft) unexplained(n int) bool {
	return slices.ContainsFunc(d.now.Open, func(o cluster.Open) bool { return o.Slot == n && o.Alone != 0 })
}

// holdAlone says of each node with such keys how many it has.
func (d *draft) holdAlone() {
	type pair struct{ at, peer string }
	type tally struct {
		slots int
		keys  int64
	}
	found := map[pair]tally{}
	for _, o := range d.now.Open {
		if o.Alone == 0 {
			continue
		}
		f := found[pair{o.At, o.Peer}]
		if f.slots++; o.Alone < 0 || f.keys < 0 {
			f.keys = cluster.Unknown
		} else {
			f.keys += o.Alone
		}
		found[pair{o.At, o.Peer}] = f
	}
	pairs := slices.SortedFunc(maps.Keys(found), func(a, b pair) int {
		return cmp.Or(strings.Compare(a.at, b.at), strings.Compare(a.peer, b.peer))
	})
	for _, p := range pairs {
		d.hold(Hold{
			Why: Stuck, Code: StaleKeys, Node: p.at,
			Text: fmt.Sprintf("%s holds %s of %s that it does not own, and %s shows no mark of sending them; they may be old copies", p.at, keysText(found[p].keys), plural(found[p].slots, "slot"), p.peer),
			Lift: fmt.Sprintf("delete them at %s if they are old, each after ASKING; if they were on their way, mark the slots at %s by CLUSTER SETSLOT MIGRATING", p.at, p.peer),
		})
	}
}
