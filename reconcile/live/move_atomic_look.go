package live

import (
	"context"
	"slices"

	"github.com/slotwright/slotwright/spec/slot"
)

// look asks which slots have arrived, and reports. Only the target can say so:
// a source that gave way to its replica says that it owns nothing, too.
func (x *export) look(ctx context.Context) (left int, err error) {
	source, _, err := x.from.view(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range x.routes {
		owned, err := r.to.owned(ctx)
		if err != nil {
			return 0, err
		}
		arrived := owned.Minus(source.Slots())
		still := r.step.Slots.Minus(arrived)
		if n := still.Len(); n != r.left {
			r.left = n
			x.say(r.progress())
		}
		r.portions = r.remaining(still)
		left += r.left
	}
	if left > 0 {
		err = x.from.leads(source)
	}
	return left, err
}

// remaining are the portions that are left when only these slots are.
func (r *route) remaining(still slot.Set) [][]int {
	var out [][]int
	for _, portion := range r.portions {
		if p := slices.DeleteFunc(slices.Clone(portion), func(s int) bool { return !still.Has(s) }); len(p) > 0 {
			out = append(out, p)
		}
	}
	return out
}
