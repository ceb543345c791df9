package reconcile

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// scales is a rehearsal that knows what every slot weighs.
type scales struct {
	*rehearsal
	each  cluster.Weight
	asked []plan.Step
}

func (s *scales) Measure(_ context.Context, seen cluster.State, moves []plan.Step) cluster.State {
	s.asked = append(s.asked, moves...)
	seen.Weights = map[int]cluster.Weight{}
	for n := range slot.Count {
		seen.Weights[n] = s.each
	}
	return seen
}

func TestWhatMovesIsMeasuredBeforeItIsPlanned(t *testing.T) {
	s := &scales{rehearsal: three(t, "a-2", "b-2"), each: cluster.Weight{Keys: 3, Bytes: 100}}
	r := Once(t.Context(), s, topology(4), Options{})
	moves := 0
	for _, step := range r.Plan.Steps {
		if n := int64(step.Slots.Len()); step.Kind == plan.Move {
			moves++
			if step.Keys != 3*n || step.Bytes != 100*n {
				t.Errorf("%s: %d keys of %d bytes", step, step.Keys, step.Bytes)
			}
		}
	}
	if moves != 3 || len(s.asked) != 3 {
		t.Errorf("%d moves, and %d were asked for", moves, len(s.asked))
	}
	if plain := plan.Make(topology(4), s.now); plain.Fingerprint() != r.Plan.Fingerprint() {
		t.Error("the fingerprint depends on what slots weigh")
	}
}

func TestAPassThatMovesNothingMeasuresNothing(t *testing.T) {
	s := &scales{rehearsal: three(t)}
	if r := Apply(t.Context(), s, topology(3), Options{Approval: Anything()}); r.Sync() != InSync || len(s.asked) > 0 {
		t.Errorf("%s, and it asked for %v", r.Sync(), s.asked)
	}
}

// A hold for want of memory is judged by what was measured, both ways, and every
// time: what holds in one pass may fit in the next.
func TestMemoryIsJudgedByWhatWasMeasured(t *testing.T) {
	s := &scales{rehearsal: three(t, "a-2", "b-2"), each: cluster.Weight{Keys: 1, Bytes: 1000}}
	s.change("a-2", func(n *cluster.Node) { n.Memory = cluster.Memory{Used: 1 << 20, Max: 4 << 20} })
	for _, name := range []string{"a-0", "b-0", "c-0"} {
		s.change(name, func(n *cluster.Node) { n.Memory.Dataset = 1 << 20 })
	}
	if r := Once(t.Context(), s, topology(4), Options{}); !has(r, plan.NoMemory) {
		t.Errorf("4 MB fit into 3: %+v", r.Plan.Steps)
	}
	s.each.Bytes = 100
	for _, name := range []string{"a-0", "b-0", "c-0"} {
		s.change(name, func(n *cluster.Node) { n.Memory.Dataset = 1 << 30 })
	}
	if r := Once(t.Context(), s, topology(4), Options{}); has(r, plan.NoMemory) {
		t.Errorf("400 kB do not fit into 3 MB: %+v", r.Plan.Holds)
	}
}

// A run looks several times before slots move. It counts their keys again when
// they may be others by then, and not before.
func TestWhatARunHasMeasuredHoldsForAWhile(t *testing.T) {
	for _, c := range []struct {
		join  time.Duration // how long nodes take to join
		asked int
	}{{time.Second, 3}, {11 * time.Second, 6}} {
		synctest.Test(t, func(t *testing.T) {
			s := &scales{rehearsal: three(t, "a-2", "b-2"), each: cluster.Weight{Keys: 3, Bytes: 100}}
			s.do = func(_ context.Context, stage []plan.Step, _ func(plan.Progress)) error {
				if stage[0].Kind == plan.Meet {
					time.Sleep(c.join)
				}
				if stage[0].Kind == plan.Move && stage[0].Keys != 3*int64(stage[0].Slots.Len()) {
					t.Errorf("%s: %d keys", stage[0], stage[0].Keys)
				}
				s.perform(stage...)
				return nil
			}
			if r := Apply(t.Context(), s, topology(4), Options{Approval: Anything()}); r.Sync() != InSync || len(s.asked) != c.asked {
				t.Errorf("joining in %s: %s, %d moves were measured, want %d", c.join, r.Sync(), len(s.asked), c.asked)
			}
		})
	}
}

func TestWhatCouldNotBeMeasuredIsMeasuredAtTheNextLook(t *testing.T) {
	s := &scales{rehearsal: three(t, "a-2", "b-2"), each: cluster.Weight{Keys: cluster.Unknown, Bytes: cluster.Unknown}}
	if r := Apply(t.Context(), s, topology(4), Options{Approval: Anything()}); r.Sync() != InSync || len(s.asked) <= 3 {
		t.Errorf("%s, %d moves were measured", r.Sync(), len(s.asked))
	}
}
