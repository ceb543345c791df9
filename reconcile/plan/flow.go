package plan

import "math"

// never is the cost of what must not be.
const never = math.MaxInt64 / 4

// flow fills the seats of shards with units of zones at the least cost, by
// successive shortest paths. Costs of one zone's units in one shard must not
// fall with their number. Ties go to the lowest index, so the answer is
// deterministic.
type flow struct {
	supply []int                   // units a zone has
	seats  []int                   // units a shard takes
	cost   func(z, s, j int) int64 // of the unit of zone z in shard s that comes after j others
	load   func(z, k int) int64    // of the unit that comes after k others of zone z; nil: free
	x      [][]int                 // units of a zone in a shard
	fixed  func(z, s int) int      // units that must stay; nil: none
	used   []int                   // units of a zone in all shards
	filled []int                   // units of all zones in a shard

	distZ, distS []int64
	fromZ, fromS []int // the shard before a zone, the zone before a shard
	queued       []bool
}

func newFlow(zones, shards int) *flow {
	f := &flow{
		supply: make([]int, zones), seats: make([]int, shards),
		used: make([]int, zones), filled: make([]int, shards),
		distZ: make([]int64, zones), distS: make([]int64, shards),
		fromZ: make([]int, zones), fromS: make([]int, shards),
		queued: make([]bool, zones), x: make([][]int, zones),
	}
	for z := range f.x {
		f.x[z] = make([]int, shards)
	}
	return f
}

// put seats one unit of zone z in shard s.
func (f *flow) put(z, s int) {
	f.x[z][s]++
	f.used[z]++
	f.filled[s]++
}

// fill adds units until every seat is taken or no path is left, and reports
// whether all are.
func (f *flow) fill() bool {
	for {
		f.search()
		best := -1
		for s := range f.seats {
			if f.filled[s] < f.seats[s] && f.distS[s] < never && (best < 0 || f.distS[s] < f.distS[best]) {
				best = s
			}
		}
		if best < 0 {
			break
		}
		f.augment(best)
	}
	for s := range f.seats {
		if f.filled[s] < f.seats[s] {
			return false
		}
	}
	return true
}

// search finds the cheapest way from any zone with units left to every shard
// (Bellman and Ford's, over zones: they are few).
func (f *flow) search() {
	for s := range f.distS {
		f.distS[s] = never
	}
	var queue []int
	for z := range f.distZ {
		f.distZ[z], f.fromZ[z] = never, -1
		if f.used[z] < f.supply[z] {
			f.distZ[z] = 0
			if f.load != nil {
				f.distZ[z] = f.load(z, f.used[z])
			}
			queue = append(queue, z)
			f.queued[z] = true
		}
	}
	for len(queue) > 0 {
		z := queue[0]
		queue = queue[1:]
		f.queued[z] = false
		queue = f.relax(z, queue)
	}
}

// relax follows every arc out of zone z, and from each shard it reaches more
// cheaply, the arcs that give a seat back.
func (f *flow) relax(z int, queue []int) []int {
	for s := range f.seats {
		c := f.cost(z, s, f.x[z][s])
		if c >= never || f.distZ[z]+c >= f.distS[s] {
			continue
		}
		f.distS[s], f.fromS[s] = f.distZ[z]+c, z
		for y := range f.x {
			if y == z || f.x[y][s] == 0 || f.fixed != nil && f.x[y][s] <= f.fixed(y, s) {
				continue
			}
			if back := f.distS[s] - f.cost(y, s, f.x[y][s]-1); back < f.distZ[y] {
				f.distZ[y], f.fromZ[y] = back, s
				if !f.queued[y] {
					f.queued[y] = true
					queue = append(queue, y)
				}
			}
		}
	}
	return queue
}

// augment shifts one unit along the path that ends in shard s.
func (f *flow) augment(s int) {
	f.filled[s]++
	for {
		z := f.fromS[s]
		f.x[z][s]++
		if f.fromZ[z] < 0 {
			f.used[z]++
			return
		}
		s = f.fromZ[z]
		f.x[z][s]--
	}
}
