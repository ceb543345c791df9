package cluster

import "testing"

// The less of maxmemory and the container's limit bounds a node, else its machine.
func TestTheLastBoundOfMemory(t *testing.T) {
	for _, c := range []struct {
		of    Memory
		bytes int64
	}{
		{Memory{Max: 3, Limit: 4, System: 9}, 3},
		{Memory{Max: 5, Limit: 4, System: 9}, 4},
		{Memory{Limit: 4, System: 9}, 4},
		{Memory{Max: 5, System: 4}, 5},
		{Memory{System: 9}, 9},
		{Memory{}, 0},
	} {
		if got, what := c.of.Bound(); got != c.bytes {
			t.Errorf("%+v: %d of %s", c.of, got, what)
		}
	}
}
