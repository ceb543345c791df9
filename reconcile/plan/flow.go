package plan

import "math"

// never is the cost of what must not be.
const never = math.MaxInt64 / 4

// flow fills the seats of shards with units of zones at the least total cost.
// It seats one unit after the other by a shortest path that may shift units
// seated before (the Hungarian method, with prices that keep every shift's
// cost from falling below zero). Ties go to the lowest index.
//
// The cost of a zone's next unit in a shard must not fall with their number.
// A flow may start from units that were put in; none of them may cost more
// than nothing, and no unit left out less.
type flow struct {
	supply []int                   // units a zone has
	seats  []int                   // units a shard takes
	cost   func(z, s, j int) int64 // of the unit of zone z in shard s that comes after j others
	fixed  func(z, s int) int      // units that must stay
	x      [][]int                 // units of a zone in a shard
	used   []int                   // units of a zone in all shards
	filled []int                   // units of all zones in a shard

	priceZ, priceS []int64
	distZ, distS   []int64 // of the search that runs: what is still to be paid from here to the seat
	nextZ          []int   // the shard a zone's unit goes to on that way
	nextS          []int   // the zone whose unit a shard gives up on that way
	done           []bool  // zones whose distance is final
	seenS          []int   // shards with a distance
}

func newFlow(zones, shards int) *flow {
	f := &flow{
		supply: make([]int, zones), seats: make([]int, shards),
		used: make([]int, zones), filled: make([]int, shards), x: make([][]int, zones),
		priceZ: make([]int64, zones), priceS: make([]int64, shards),
		distZ: make([]int64, zones), distS: make([]int64, shards),
		nextZ: make([]int, zones), nextS: make([]int, shards), done: make([]bool, zones),
	}
	for z := range f.x {
		f.x[z] = make([]int, shards)
	}
	for s := range f.distS {
		f.distS[s] = never
	}
	return f
}

// put seats one unit of zone z in shard s.
func (f *flow) put(z, s int) {
	f.x[z][s]++
	f.used[z]++
	f.filled[s]++
}

// fill takes every seat, or reports that it can't be done.
func (f *flow) fill() bool {
	for s := range f.seats {
		for f.filled[s] < f.seats[s] {
			z, ok := f.search(s)
			if !ok {
				return false
			}
			f.shift(z, s)
		}
	}
	return true
}

// search finds the zone with a unit left that fills a seat of shard s most
// cheaply, and raises the prices along all ways that would have been cheaper.
func (f *flow) search(s int) (int, bool) {
	for z := range f.distZ {
		f.distZ[z], f.done[z] = never, false
	}
	f.distS[s], f.seenS = 0, append(f.seenS[:0], s)
	f.enter(s)
	for {
		z := f.nearest()
		if z < 0 {
			f.forget()
			return 0, false
		}
		if f.used[z] < f.supply[z] {
			f.reprice(f.distZ[z])
			f.forget()
			return z, true
		}
		f.done[z] = true
		f.expand(z)
	}
}

func (f *flow) nearest() int {
	best := -1
	for z, d := range f.distZ {
		if !f.done[z] && d < never && (best < 0 || d < f.distZ[best]) {
			best = z
		}
	}
	return best
}

// enter prices what each zone would pay to put a unit in shard s.
func (f *flow) enter(s int) {
	for z := range f.distZ {
		if f.done[z] {
			continue
		}
		c := f.cost(z, s, f.x[z][s])
		if d := f.distS[s] + c + f.priceZ[z] - f.priceS[s]; c < never && d < f.distZ[z] {
			f.distZ[z], f.nextZ[z] = d, s
		}
	}
}

// expand lets every shard that has a unit of zone z give it up.
func (f *flow) expand(z int) {
	for t, n := range f.x[z] {
		if n == 0 || n <= f.fixed(z, t) {
			continue
		}
		d := f.distZ[z] - f.cost(z, t, n-1) + f.priceS[t] - f.priceZ[z]
		if d >= f.distS[t] {
			continue
		}
		if f.distS[t] == never {
			f.seenS = append(f.seenS, t)
		}
		f.distS[t], f.nextS[t] = d, z
		f.enter(t)
	}
}

// reprice keeps all shifts from costing less than nothing after the one of
// length end.
func (f *flow) reprice(end int64) {
	for z := range f.distZ {
		if f.distZ[z] < end {
			f.priceZ[z] += end - f.distZ[z]
		}
	}
	for _, s := range f.seenS {
		if f.distS[s] < end {
			f.priceS[s] += end - f.distS[s]
		}
	}
}

func (f *flow) forget() {
	for _, s := range f.seenS {
		f.distS[s] = never
	}
}

// shift moves one unit along the way from zone z to shard goal.
func (f *flow) shift(z, goal int) {
	f.used[z]++
	f.filled[goal]++
	for {
		s := f.nextZ[z]
		f.x[z][s]++
		if s == goal {
			return
		}
		z = f.nextS[s]
		f.x[z][s]--
	}
}
