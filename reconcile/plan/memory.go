package plan

import (
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// margin is what a receiver needs beyond the estimate, in percent of it: a sample
// is not the whole, tables grow with their keys, and copies need buffers.
const margin = 10

// roomFor reports whether every receiver has memory for what would move there.
func (d *draft) roomFor(moves []Step) bool {
	incoming := make(map[string]int64)
	var order []string
	for _, m := range moves {
		if _, ok := incoming[m.To]; !ok {
			order = append(order, m.To)
		}
		if m.Bytes > 0 {
			incoming[m.To] += m.Bytes + m.Bytes*margin/100
		}
		if d.now.Weight(m.Slots).Keys == cluster.Unknown {
			d.unmeasured = append(d.unmeasured, m)
		}
	}
	ok := true
	for _, to := range order {
		if h, full := d.fullness(d.at[to], incoming[to]); full {
			d.hold(h)
			ok = false
		}
	}
	return ok
}

// fullness is the hold when node i has no room for so many bytes more.
func (d *draft) fullness(i int, incoming int64) (Hold, bool) {
	n := d.node(i)
	m := n.Memory
	bound, what := m.Bound()
	if bound == 0 || m.Used < 0 || m.Used+incoming <= bound {
		return Hold{}, false
	}
	need := fmt.Sprintf("%s uses %s and would get about %s more, over the %s of %s", n.Name, sizeText(m.Used), sizeText(incoming), sizeText(bound), what)
	switch {
	case bound != m.Max:
		return Hold{Stuck, NoMemory, n.Name, need, "give it more memory, or add masters"}, true
	case m.Policy != "" && m.Policy != "noeviction":
		return Hold{Stuck, WouldEvict, n.Name, need + "; with maxmemory-policy " + m.Policy + " it would drop keys silently", "raise maxmemory, or add masters"}, true
	}
	return Hold{Stuck, NoMemory, n.Name, need, "raise maxmemory, use larger nodes, or add masters"}, true
}

// sizeText is bytes for people.
func sizeText(n int64) string {
	switch {
	case n == cluster.Unknown:
		return "unknown"
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
