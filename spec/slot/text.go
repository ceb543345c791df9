package slot

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// Each yields the slots of the set in ascending order.
func (s Set) Each() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(i*64 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// Range is a run of neighbouring slots, both ends included.
type Range struct{ First, Last int }

// String prints a range the way people and servers write it: "5" or "0-99".
func (r Range) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return strconv.Itoa(r.First) + "-" + strconv.Itoa(r.Last)
}

// Ranges are the runs of the set, ascending.
func (s Set) Ranges() []Range {
	var out []Range
	for first := s.next(0, 0); first < Count; {
		end := s.next(first, ^uint64(0))
		out = append(out, Range{first, end - 1})
		first = s.next(end, 0)
	}
	return out
}

// next is the first slot from n on that is in the set, or, with all bits
// flipped, that isn't; Count if there is none.
func (s *Set) next(n int, flip uint64) int {
	mask := ^uint64(0) << (n % 64)
	for i := n / 64; i < len(s); i++ {
		if w := (s[i] ^ flip) & mask; w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
		mask = ^uint64(0)
	}
	return Count
}

// String prints the set the way people write it: "0-99,200". The empty set is "".
func (s Set) String() string {
	var b strings.Builder
	for i, r := range s.Ranges() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}

// MarshalText prints the set as String does.
func (s Set) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Set) UnmarshalText(text []byte) error {
	v, err := Parse(string(text))
	if err == nil {
		*s = v
	}
	return err
}

// Parse reads "0-99,200". Blanks around the parts are allowed; an empty text
// is the empty set. Numbers outside [0, Count) or with leading zeros, reversed and
// overlapping ranges are errors.
func Parse(text string) (Set, error) {
	var s Set
	if strings.TrimSpace(text) == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		r, err := parseRange(strings.TrimSpace(part))
		if err != nil {
			return Set{}, err
		}
		if n := s.next(r.First, 0); n <= r.Last {
			return Set{}, fmt.Errorf("slot %d is named twice", n)
		}
		s.AddRange(r.First, r.Last)
	}
	return s, nil
}

func parseRange(part string) (Range, error) {
	first, last, isRange := strings.Cut(part, "-")
	if !isRange {
		last = first
	}
	r := Range{}
	var err error
	if r.First, err = parseNumber(first); err != nil {
		return Range{}, err
	}
	if r.Last, err = parseNumber(last); err != nil {
		return Range{}, err
	}
	if r.First > r.Last {
		return Range{}, fmt.Errorf("range %q is reversed", part)
	}
	return r, nil
}

func parseNumber(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n >= Count || len(text) > 1 && text[0] == '0' {
		return 0, fmt.Errorf("%q is not a slot (0-%d)", text, Count-1)
	}
	return int(n), nil
}
