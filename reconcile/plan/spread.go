package plan

// spread chooses a zone for every shard's leader so that the sum of squares of
// leaders per zone is least, and among those the cost. It places one shard
// after the other, each by the cheapest chain of shifts, which keeps the whole
// optimal (an optimal semi-matching).
type spread struct {
	choices [][]choice // by shard
	unit    int64      // more than all costs together
	at      []int      // by shard: index into its choices, or nowhere
	led     [][]int    // shards by zone

	dist   []int64
	from   []int // the shard whose shift reaches a zone
	queue  []int
	queued []bool
}

// choice is a zone where a shard's leader may stand, who that is, and what it
// costs.
type choice struct {
	zone, node int
	cost       int64
}

func (p *spread) run(zones int) {
	p.at = make([]int, len(p.choices))
	p.led = make([][]int, zones)
	p.dist, p.from = make([]int64, zones), make([]int, zones)
	p.queued = make([]bool, zones)
	for k := range p.choices {
		p.at[k] = nowhere
	}
	for k := range p.choices {
		if len(p.choices[k]) > 0 {
			p.place(k)
		}
	}
}

// place finds the cheapest zone for shard k to end in, counting that others
// may make way, and shifts everybody along.
func (p *spread) place(k int) {
	for z := range p.dist {
		p.dist[z] = never
	}
	p.offer(k, 0)
	for len(p.queue) > 0 {
		z := p.queue[0]
		p.queue = p.queue[1:]
		p.queued[z] = false
		for _, j := range p.led[z] {
			p.offer(j, p.dist[z]-p.choices[j][p.at[j]].cost)
		}
	}
	best, least := 0, int64(never)
	for z, d := range p.dist {
		if d < never {
			if total := d + int64(2*len(p.led[z])+1)*p.unit; total < least {
				best, least = z, total
			}
		}
	}
	p.shift(k, best)
}

// offer lets shard k go to each of its zones, if that is cheaper than known.
func (p *spread) offer(k int, base int64) {
	for _, c := range p.choices[k] {
		if d := base + c.cost; d < p.dist[c.zone] {
			p.dist[c.zone], p.from[c.zone] = d, k
			if !p.queued[c.zone] {
				p.queued[c.zone] = true
				p.queue = append(p.queue, c.zone)
			}
		}
	}
}

// shift ends the chain in zone z: who goes there leaves a place for the one
// before, back to shard k.
func (p *spread) shift(k, z int) {
	for {
		j := p.from[z]
		old := p.at[j]
		for i, c := range p.choices[j] {
			if c.zone == z {
				p.at[j] = i
			}
		}
		p.led[z] = append(p.led[z], j)
		if j == k {
			return
		}
		was := p.choices[j][old].zone
		p.led[was] = without(p.led[was], j)
		z = was
	}
}

func without(list []int, k int) []int {
	for i, v := range list {
		if v == k {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}
