package plan

// What moving takes on servers that have a processor core each, in microseconds
// of the time of either end. By MIGRATE it is what `make bench` measures of a target
// that three sources send to: 13 us a key of 128 bytes, most of it for the key, and
// 100 us a slot. A source that all keys leave takes half as long again (see mover in
// reconcile/live). Atomic moves of the same keys took the servers a quarter to two
// fifths of that in the same hour (BenchmarkAtomic), and a moment for each pair:
// a child that writes a snapshot, a hand-over. Bytes are what a network is
// expected to carry between two nodes, 200 MB/s; a slower one makes moves longer.
const (
	perKey     = 13
	perSlot    = 100
	perAtomKey = 4
	perJob     = 500_000
	perSecond  = 1_000_000
	bytesIn1us = 200
)

// lasts is about how many microseconds a Move keeps its ends busy; 0 when that
// can't be told.
func (s Step) lasts() int64 {
	if s.Kind != Move || s.Keys < 0 {
		return 0
	}
	carry := max(0, s.Bytes) / bytesIn1us
	if s.Engine == Atomic {
		return perJob + s.Keys*perAtomKey + carry
	}
	return int64(s.Slots.Len())*perSlot + s.Keys*perKey + carry
}

// ETA is about how many seconds the moves among steps take: pairs run at once,
// and the busiest end decides. It is 0 when one can't be told.
func ETA(steps []Step) int64 {
	busy, most := map[string]int64{}, int64(0)
	for _, s := range steps {
		if s.Kind != Move {
			continue
		}
		if s.lasts() == 0 {
			return 0
		}
		for _, end := range []string{s.From, s.To} {
			busy[end] += s.lasts()
			most = max(most, busy[end])
		}
	}
	return (most + perSecond - 1) / perSecond
}
