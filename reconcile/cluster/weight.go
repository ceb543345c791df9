package cluster

import (
	"slices"

	"github.com/slotwright/slotwright/spec/slot"
)

// Weight is what slots hold at their owner, in every database.
type Weight struct {
	Keys  int64 // Unknown where nobody counted
	Bytes int64 // about what the keys take in memory; Unknown where nobody could tell
}

// Weight is what slots hold together, as far as it was measured: what is
// unknown of one of them is unknown of all.
func (s *State) Weight(slots slot.Set) Weight {
	var sum Weight
	for n := range slots.Each() {
		w, ok := s.Weights[n]
		if !ok {
			return Weight{Unknown, Unknown}
		}
		sum = Weight{plus(sum.Keys, w.Keys), plus(sum.Bytes, w.Bytes)}
	}
	return sum
}

// Measured is s with what was measured at an earlier look.
func (s State) Measured(earlier State) State {
	s.Nodes, s.Weights = slices.Clone(s.Nodes), earlier.Weights
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if had := earlier.ByID(n.ID); had != nil {
			n.Modules, n.Loginless = had.Modules, had.Loginless
		}
	}
	return s
}

// plus adds; unknown and anything is unknown.
func plus(a, b int64) int64 {
	if a == Unknown || b == Unknown {
		return Unknown
	}
	return a + b
}

// Sample is how many keys a slot holds in one database, and what some of them
// take in memory.
type Sample struct {
	Slot    int
	Keys    int64
	Weighed []int64 // bytes
}

// Estimate is what the slots of one server hold, from samples of all that were
// asked for. What was weighed counts as it is; keys that were not are taken to
// be like those of their slot, or like all where none of the slot was weighed.
// A large key that was met by chance would stand for many so; used, which is
// all that the server has in memory, bounds it.
func Estimate(samples []Sample, used int64) map[int]Weight {
	var weighed []int64
	for _, s := range samples {
		weighed = append(weighed, s.Weighed...)
	}
	typical, known := mean(weighed)
	rest, sum := make([]float64, len(samples)), 0.0 // what was not weighed
	for i, s := range samples {
		each, ok := mean(s.Weighed)
		if !ok {
			each = typical
		}
		rest[i] = each * float64(max(0, s.Keys-int64(len(s.Weighed))))
		sum += rest[i]
	}
	scale := 1.0
	if left := float64(max(0, used-total(weighed))); used != Unknown && sum > left {
		scale = left / sum
	}
	out := make(map[int]Weight, len(samples))
	for i, s := range samples {
		w := Weight{Keys: s.Keys, Bytes: total(s.Weighed) + int64(rest[i]*scale)}
		if s.Keys > 0 && !known {
			w.Bytes = Unknown
		}
		had := out[s.Slot]
		out[s.Slot] = Weight{plus(had.Keys, w.Keys), plus(had.Bytes, w.Bytes)}
	}
	return out
}

// mean is what one of some keys takes, where there is one.
func mean(bytes []int64) (each float64, ok bool) {
	if len(bytes) == 0 {
		return 0, false
	}
	return float64(total(bytes)) / float64(len(bytes)), true
}

func total(bytes []int64) (sum int64) {
	for _, n := range bytes {
		sum += n
	}
	return sum
}
