package slot_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/slotwright/slotwright/spec/slot"
)

// someSet is made of runs and single slots, as clusters are.
func someSet(r *rand.Rand) slot.Set {
	var s slot.Set
	for range r.IntN(20) {
		first := r.IntN(slot.Count)
		s.AddRange(first, min(slot.Count-1, first+r.IntN(1000)))
	}
	for range r.IntN(20) {
		s.Add(r.IntN(slot.Count))
	}
	return s
}

func TestAllIsEverySlotOnce(t *testing.T) {
	all := slot.All()
	if n := all.Len(); n != 16384 {
		t.Errorf("all slots are %d", n)
	}
	var s slot.Set
	s.AddRange(0, slot.Count-1)
	if s != all {
		t.Error("the range of all slots is not all slots")
	}
}

func TestAddRangeAddsExactlyItsSlots(t *testing.T) {
	edges := []int{0, 1, 62, 63, 64, 65, 127, 128, 129, 8191, 8192, 16319, 16320, 16382, 16383}
	for _, first := range edges {
		for _, last := range edges {
			got, want := slot.Set{}, slot.Set{}
			got.Add(100)
			want.Add(100)
			for n := first; n <= last; n++ {
				want.Add(n)
			}
			got.AddRange(first, last)
			if got != want {
				t.Errorf("%d-%d: got %s, want %s", first, last, got, want)
			}
		}
	}
}

func TestASlotThatIsRemovedIsGoneAndNoOther(t *testing.T) {
	for _, n := range []int{0, 63, 64, 16383} {
		s := slot.All()
		s.Remove(n)
		s.Remove(n)
		if s.Has(n) || s.Len() != slot.Count-1 {
			t.Errorf("without %d: %s", n, s)
		}
		s.Add(n)
		s.Add(n)
		if s != slot.All() {
			t.Errorf("with %d again: %s", n, s)
		}
	}
}

func TestTheAlgebraOfSetsHolds(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		a, b, c := someSet(r), someSet(r), someSet(r)
		for law, holds := range map[string]bool{
			"a∪b = b∪a":                 a.Union(b) == b.Union(a),
			"a∩b = b∩a":                 a.Intersect(b) == b.Intersect(a),
			"a∩(b∪c) = a∩b ∪ a∩c":       a.Intersect(b.Union(c)) == a.Intersect(b).Union(a.Intersect(c)),
			"a−b = a∩(all−b)":           a.Minus(b) == a.Intersect(slot.All().Minus(b)),
			"all−(a∪b) = not a ∩ not b": slot.All().Minus(a.Union(b)) == slot.All().Minus(a).Intersect(slot.All().Minus(b)),
			"(a−b) ∪ (a∩b) = a":         a.Minus(b).Union(a.Intersect(b)) == a,
			"|a|+|b| = |a∪b|+|a∩b|":     size(a)+size(b) == size(a.Union(b))+size(a.Intersect(b)),
			"a−a is empty":              empty(a.Minus(a)),
			"empty means no slots":      empty(a) == (a.Len() == 0),
		} {
			if !holds {
				t.Errorf("seed %d: not %s\na %s\nb %s\nc %s", seed, law, a, b, c)
			}
		}
	}
}

func size(s slot.Set) int { return s.Len() }

func empty(s slot.Set) bool { return s.Empty() }

func TestMembershipIsWhatTheSetSays(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		s := someSet(r)
		var member []int
		for n := range slot.Count {
			if s.Has(n) {
				member = append(member, n)
			}
		}
		if each := slices.Collect(s.Each()); !slices.Equal(each, member) {
			t.Fatalf("seed %d: Each gives %v, Has %v", seed, each, member)
		}
		if s.Len() != len(member) {
			t.Fatalf("seed %d: %d slots, Len says %d", seed, len(member), s.Len())
		}
	}
}

func TestEachStopsWhenAskedTo(t *testing.T) {
	var got []int
	for n := range slot.All().Each() {
		if got = append(got, n); len(got) == 70 {
			break
		}
	}
	if len(got) != 70 || got[69] != 69 {
		t.Errorf("got %v", got)
	}
}

func BenchmarkAddRange(b *testing.B) {
	for b.Loop() {
		var s slot.Set
		s.AddRange(100, 16000)
	}
}

func BenchmarkRanges(b *testing.B) {
	var s slot.Set
	for n := range 3 {
		s.AddRange(n*5461, n*5461+4000)
	}
	for b.Loop() {
		s.Ranges()
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		_, _ = slot.Parse("0-5460,5462,6000-16383")
	}
}
