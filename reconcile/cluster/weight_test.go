package cluster

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slotwright/slotwright/spec/slot"
)

func TestASampleStandsForItsSlot(t *testing.T) {
	const mb = 1 << 20
	for name, c := range map[string]struct {
		samples []Sample
		used    int64
		want    map[int]Weight
	}{
		"keys are like those of their slot": {
			[]Sample{{1, 10, []int64{100, 200}}, {2, 10, []int64{1000}}}, Unknown,
			map[int]Weight{1: {10, 1500}, 2: {10, 10000}},
		},
		"or like all, where none was weighed": {
			[]Sample{{1, 2, []int64{100, 300}}, {2, 5, nil}, {3, 0, nil}}, Unknown,
			map[int]Weight{1: {2, 400}, 2: {5, 1000}, 3: {}},
		},
		"databases add up": {
			[]Sample{{Slot: 1}, {1, 1, []int64{100}}, {1, 2, []int64{50, 50}}}, Unknown,
			map[int]Weight{1: {3, 200}},
		},
		"a large key met by chance is no more than the server has": {
			[]Sample{{1, 100, []int64{50 * mb, 100}}, {2, 100, []int64{100, 100}}}, 60 * mb,
			map[int]Weight{1: {100, 60*mb - 240}, 2: {100, 239}},
		},
		"nothing was weighed": {
			[]Sample{{1, 100, nil}, {2, 0, nil}}, 60 * mb,
			map[int]Weight{1: {100, Unknown}, 2: {}},
		},
	} {
		if diff := cmp.Diff(c.want, Estimate(c.samples, c.used)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatIsUnknownOfOneSlotIsUnknownOfAll(t *testing.T) {
	s := State{Weights: map[int]Weight{1: {2, 30}, 2: {3, 40}, 3: {4, Unknown}}}
	for text, want := range map[string]Weight{"": {}, "1-2": {5, 70}, "1-3": {9, Unknown}, "1,4": {Unknown, Unknown}} {
		slots, err := slot.Parse(text)
		if got := s.Weight(slots); err != nil || got != want {
			t.Errorf("slots %q weigh %+v, want %+v (%v)", text, got, want, err)
		}
	}
}

// As valkey-server 9.1 prints it, with a module of its own and one that declares
// nothing.
func TestModulesThatForbidAtomicMigrationAreRead(t *testing.T) {
	text := "# Modules\r\n" +
		"module:name=lua,ver=1,api=1,filters=0,usedby=[],using=[],options=[handle-repl-async-load|handle-atomic-slot-migration]\r\n" +
		"module:name=plain,ver=1,api=1,filters=0,usedby=[],using=[],options=[]\r\n"
	if got := Unready(text); !slices.Equal(got, []string{"plain"}) {
		t.Errorf("got %q", got)
	}
}

func TestWhatWasMeasuredOfAServerGoesWithItsID(t *testing.T) {
	earlier := State{Nodes: []Node{{ID: "a", Modules: []string{"search"}}, {ID: "b", Loginless: true}}, Weights: map[int]Weight{7: {Keys: 1}}}
	seen := State{Nodes: []Node{{ID: "b"}, {Name: "a silent one"}, {ID: "a"}}}
	got := seen.Measured(earlier)
	if !got.Nodes[0].Loginless || got.Nodes[1].Loginless || !slices.Equal(got.Nodes[2].Modules, []string{"search"}) || got.Weights[7].Keys != 1 {
		t.Errorf("%+v", got)
	}
	if seen.Nodes[0].Loginless {
		t.Error("it changed what it was given")
	}
}
