// Package slot is the arithmetic of hash slots: sets of them, their ranges as
// text, and the slot of a key. It imports nothing of ours.
package slot

import "math/bits"

// Count is the number of hash slots of every Redis or Valkey cluster.
const Count = 16384

// Set is a set of slots. It is an array, so it copies by value and compares
// with ==. The zero value is the empty set.
type Set [Count / 64]uint64

// All is the set of every slot.
func All() Set {
	var s Set
	for i := range s {
		s[i] = ^uint64(0)
	}
	return s
}

// Add puts slot n into the set. n must be in [0, Count).
func (s *Set) Add(n int) { s[n/64] |= 1 << (n % 64) }

// AddRange puts the slots from first to last, both included, into the set.
// Both must be in [0, Count); none are added when first is after last.
func (s *Set) AddRange(first, last int) {
	if first > last {
		return
	}
	low, high := first/64, last/64
	fromFirst, toLast := ^uint64(0)<<(first%64), ^uint64(0)>>(63-last%64)
	if low == high {
		s[low] |= fromFirst & toLast
		return
	}
	s[low] |= fromFirst
	for i := low + 1; i < high; i++ {
		s[i] = ^uint64(0)
	}
	s[high] |= toLast
}

// Remove takes slot n out of the set.
func (s *Set) Remove(n int) { s[n/64] &^= 1 << (n % 64) }

// Has reports whether slot n is in the set.
func (s *Set) Has(n int) bool { return s[n/64]&(1<<(n%64)) != 0 }

// Len is the number of slots in the set.
func (s *Set) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// Empty reports whether the set has no slot.
func (s *Set) Empty() bool { return *s == Set{} }

// Union is the set of slots in s or t.
func (s Set) Union(t Set) Set {
	for i := range s {
		s[i] |= t[i]
	}
	return s
}

// Minus is the set of slots in s and not in t.
func (s Set) Minus(t Set) Set {
	for i := range s {
		s[i] &^= t[i]
	}
	return s
}

// Intersect is the set of slots in both s and t.
func (s Set) Intersect(t Set) Set {
	for i := range s {
		s[i] &= t[i]
	}
	return s
}
