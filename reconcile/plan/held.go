package plan

import "slices"

// HoldsOf are the holds that the failure of a stage is made of. It reports
// whether the stage failed of nothing else.
func HoldsOf(err error) (holds []Hold, all bool) {
	var many []error
	switch err := err.(type) { //nolint:errorlint // it walks the whole tree itself
	case Held:
		return []Hold{err.Hold}, true
	case interface{ Unwrap() error }:
		return HoldsOf(err.Unwrap())
	case interface{ Unwrap() []error }:
		many = err.Unwrap()
	}
	for _, one := range many {
		more, whole := HoldsOf(one)
		if !whole {
			return nil, false
		}
		for _, h := range more {
			if !slices.Contains(holds, h) {
				holds = append(holds, h)
			}
		}
	}
	return holds, len(many) > 0
}
