package local

import (
	"strconv"

	"github.com/slotwright/slotwright/spec"
)

// seat is a node by name and zone, before and after it exists.
type seat struct {
	Node string `json:"node"`
	Zone string `json:"zone,omitempty"`
}

// seats are the nodes that the topology wants. They come from the file alone,
// dealt out over the zones in the order of the file, so a smaller file drops
// the highest ordinals and every other node keeps its name.
func seats(t spec.Topology) []seat {
	out := make([]seat, t.Masters*(1+t.ReplicasPerMaster))
	for i := range out {
		if len(t.Zones) == 0 {
			out[i].Node = "n-" + strconv.Itoa(i)
			continue
		}
		zone := t.Zones[i%len(t.Zones)]
		out[i] = seat{zone + "-" + strconv.Itoa(i/len(t.Zones)), zone}
	}
	return out
}
