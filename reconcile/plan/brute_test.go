package plan

import (
	"math/rand/v2"
	"testing"

	"github.com/slotwright/slotwright/spec"
)

// TestSeatsCostTheLeast compares the seats with the best of all seatings, on
// worlds small enough to try them all: nobody could keep more members where
// they are, and what is called impossible is.
func TestSeatsCostTheLeast(t *testing.T) {
	tried, impossible := 0, 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 6))
		zones, shards, seats := 1+r.IntN(3), 1+r.IntN(3), 1+r.IntN(3)
		spread := []spec.Spread{spec.Required, spec.Preferred, spec.Off}[r.IntN(3)]
		f, stays := randomFlow(r, zones, shards, seats, spread)
		best := bruteSeats(f, stays, spread, seats)
		ok := f.fill()
		if ok != (best < never) {
			t.Fatalf("seed %d: filled %v, but the best of all costs %d", seed, ok, best)
		}
		if !ok {
			impossible++
			continue
		}
		tried++
		if got := priceOf(f.x, stays, spread); got != best {
			t.Fatalf("seed %d: seats cost %d, %d would do", seed, got, best)
		}
	}
	if tried < 300 || impossible < 50 {
		t.Errorf("only %d possible and %d impossible worlds", tried, impossible)
	}
}

func randomFlow(r *rand.Rand, zones, shards, seats int, spread spec.Spread) (*flow, [][]int) {
	f := newFlow(zones, shards)
	stays := make([][]int, zones)
	for z := range stays {
		stays[z] = make([]int, shards)
		f.supply[z] = r.IntN(shards + 2)
	}
	left := append([]int(nil), f.supply...)
	for z := range zones {
		for s := range shards {
			if left[z] > 0 && r.IntN(2) == 0 {
				stays[z][s] = 1 + r.IntN(min(2, left[z]))
				left[z] -= stays[z][s]
			}
		}
	}
	for s := range f.seats {
		f.seats[s] = seats
		for z := range zones {
			if stays[z][s] > 0 && f.filled[s] < seats {
				f.put(z, s)
			}
		}
	}
	f.fixed = func(int, int) int { return 0 }
	f.cost = func(z, s, j int) int64 { return unitPrice(stays[z][s], j, spread) }
	return f, stays
}

// unitPrice is 1 for a re-sync and 1000 for a member too many in a zone.
func unitPrice(stays, j int, spread spec.Spread) int64 {
	if j > 0 && spread == spec.Required {
		return never
	}
	var c int64
	if spread == spec.Preferred {
		c = 1000 * int64(j)
	}
	if j >= stays {
		c++
	}
	return c
}

func priceOf(x, stays [][]int, spread spec.Spread) int64 {
	var sum int64
	for z := range x {
		for s, n := range x[z] {
			for j := range n {
				sum += unitPrice(stays[z][s], j, spread)
			}
		}
	}
	return sum
}

// bruteSeats tries every way to fill the seats, one shard and zone at a time.
func bruteSeats(f *flow, stays [][]int, spread spec.Spread, seats int) int64 {
	zones, shards := len(f.supply), len(f.seats)
	left := append([]int(nil), f.supply...)
	var try func(s, z, open int) int64
	try = func(s, z, open int) int64 {
		if open == 0 {
			if s+1 == shards {
				return 0
			}
			return try(s+1, 0, seats)
		}
		if z == zones {
			return never
		}
		best, price := int64(never), int64(0)
		for n := 0; n <= min(open, left[z]); n++ {
			if n > 0 {
				if price += unitPrice(stays[z][s], n-1, spread); price >= never {
					break
				}
			}
			left[z] -= n
			best = min(best, price+try(s, z+1, open-n))
			left[z] += n
		}
		return best
	}
	return try(0, 0, seats)
}

// TestLeadersCostTheLeast does the same for leaders: the least sum of squares
// per zone, then the fewest promotions.
func TestLeadersCostTheLeast(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 7))
		zones, shards := 1+r.IntN(4), 1+r.IntN(5)
		p := spread{choices: make([][]choice, shards), unit: int64(shards + 1)}
		for k := range p.choices {
			for z := range zones {
				if r.IntN(2) == 0 {
					p.choices[k] = append(p.choices[k], choice{zone: z, cost: int64(min(1, len(p.choices[k])))})
				}
			}
		}
		best := bruteLeaders(p, 0, make([]int, zones))
		p.run(zones)
		var got int64
		led := make([]int, zones)
		for k, c := range p.at {
			if c != nowhere {
				got += p.choices[k][c].cost
				led[p.choices[k][c].zone]++
			}
		}
		for _, n := range led {
			got += int64(n*n) * p.unit
		}
		if got != best {
			t.Fatalf("seed %d: leaders cost %d, %d would do", seed, got, best)
		}
	}
}

func bruteLeaders(p spread, k int, led []int) int64 {
	if k == len(p.choices) {
		var sum int64
		for _, n := range led {
			sum += int64(n*n) * p.unit
		}
		return sum
	}
	if len(p.choices[k]) == 0 {
		return bruteLeaders(p, k+1, led)
	}
	best := int64(never)
	for _, c := range p.choices[k] {
		led[c.zone]++
		best = min(best, c.cost+bruteLeaders(p, k+1, led))
		led[c.zone]--
	}
	return best
}
