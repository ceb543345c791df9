package plan

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/slotwright/slotwright/spec/slot"
)

// TestTheScanIsStable moves random parts of what the scan wants on fragmented
// maps with weights and lost slots: the final owners stay the same, and no slot
// moves that could have stayed.
func TestTheScanIsStable(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		shards := 1 + r.IntN(12)
		owner := fragments(r, shards)
		weights := make([]int, shards)
		for k := range weights {
			weights[k] = 1 + r.IntN(3)
		}
		goal := aimOf(owner, weights)
		have, target := counts(owner, shards), counts(goal, shards)
		moves, least := 0, 0
		for n := range owner {
			if owner[n] != goal[n] {
				moves++
			}
		}
		for k := range target {
			least += max(0, target[k]-have[k])
		}
		if moves != least {
			t.Fatalf("seed %d: %d slots move, %d would do", seed, moves, least)
		}
		for range 4 {
			for n := range owner {
				if r.IntN(3) == 0 {
					owner[n] = goal[n]
				}
			}
			if !slices.Equal(aimOf(owner, weights), goal) {
				t.Fatalf("seed %d: the goal changes with a part of the moves done", seed)
			}
		}
	}
}

func aimOf(owner, weights []int) []int {
	have := counts(owner, len(weights))
	return scan(owner, have, targets(have, weights, slot.Count))
}

func counts(owner []int, shards int) []int {
	out := make([]int, shards)
	for _, o := range owner {
		if o >= 0 {
			out[o]++
		}
	}
	return out
}

// fragments is a random map of slots: runs of any length, some of nobody, some
// shards without any.
func fragments(r *rand.Rand, shards int) []int {
	out := make([]int, slot.Count)
	live := 1 + r.IntN(shards)
	for at := 0; at < slot.Count; {
		owner := r.IntN(live)
		if r.IntN(10) == 0 {
			owner = nobody
		}
		for end := min(slot.Count, at+1+r.IntN(4*slot.Count/(live*(1+r.IntN(50))))); at < end; at++ {
			out[at] = owner
		}
	}
	return out
}

func TestTargetsSumUpAndFollowWeights(t *testing.T) {
	for _, c := range []struct {
		have, weights, want []int
	}{
		{[]int{0, 0, 0}, []int{1, 1, 1}, []int{5462, 5461, 5461}},
		{[]int{5461, 5461, 5462}, []int{1, 1, 1}, []int{5461, 5461, 5462}},
		{[]int{0, 0}, []int{3, 1}, []int{12288, 4096}},
		{[]int{0, 0, 0}, []int{0, 1, 1}, []int{0, 8192, 8192}},
	} {
		if got := targets(c.have, c.weights, slot.Count); !slices.Equal(got, c.want) {
			t.Errorf("targets(%v, %v) = %v, want %v", c.have, c.weights, got, c.want)
		}
	}
}
