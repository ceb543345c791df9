package main

import (
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// openSlots are slots that one node shows as half moved, all in the same way.
type openSlots struct {
	Slots slot.Set `json:"slots"`
	Count int      `json:"slotCount"`
	At    string   `json:"at"`
	Peer  string   `json:"peer"`
	Kind  string   `json:"kind"`           // importing, migrating or, where no mark tells of keys outside their slot, stray
	Keys  int64    `json:"keys,omitempty"` // of stray: how many At holds
}

// openOf puts together what is alike, in the order in which it is first seen: a
// dead run may leave hundreds of slots open.
func openOf(open []cluster.Open) []openSlots {
	out := []openSlots{}
	type way struct{ at, peer, kind string }
	known := map[way]int{}
	for _, o := range open {
		w := way{o.At, o.Peer, direction(o)}
		i, there := known[w]
		if !there {
			i = len(out)
			known[w] = i
			out = append(out, openSlots{At: w.at, Peer: w.peer, Kind: w.kind})
		}
		out[i].Slots.Add(o.Slot)
		out[i].Count = out[i].Slots.Len()
		out[i].Keys += o.Stray
	}
	return out
}

func direction(o cluster.Open) string {
	switch {
	case o.Stray > 0:
		return "stray"
	case o.Importing:
		return "importing"
	}
	return "migrating"
}

// String is what is the matter, in one sentence.
func (o openSlots) String() string {
	which, are, they := "slot "+o.Slots.String(), "is", "it"
	if o.Count > 1 {
		which, are, they = fmt.Sprintf("%s (%s)", count(o.Count, "slot"), ranges(o.Slots)), "are", "them"
	}
	if o.Kind == "stray" {
		return fmt.Sprintf("%s holds %s of %s, which %s not its own: no client finds them", o.At, count(int(o.Keys), "key"), which, are)
	}
	return fmt.Sprintf("%s %s half moved: %s is %s %s, the other end is %s", which, are, o.At, o.Kind, they, o.Peer)
}
