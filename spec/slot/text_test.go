package slot_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/spec/slot"
)

func TestSetsAreReadAndWrittenAsPeopleDo(t *testing.T) {
	for text, want := range map[string]struct {
		written string
		size    int
	}{
		"":                      {"", 0},
		"  ":                    {"", 0},
		"0":                     {"0", 1},
		"16383":                 {"16383", 1},
		"0-16383":               {"0-16383", 16384},
		"5-5":                   {"5", 1},
		"0-99,200":              {"0-99,200", 101},
		" 200 , 0-99 ":          {"0-99,200", 101},
		"1,0,2":                 {"0-2", 3},
		"60-63,64-70":           {"60-70", 11},
		"63,65,127,128":         {"63,65,127-128", 4},
		"0-63,128-191":          {"0-63,128-191", 128},
		"16320-16383,0-0,64-64": {"0,64,16320-16383", 66},
	} {
		s, err := slot.Parse(text)
		if err != nil || s.String() != want.written || s.Len() != want.size {
			t.Errorf("%q: %q, %d slots, %v", text, s, s.Len(), err)
		}
	}
}

func TestWhatIsNoSetIsAnError(t *testing.T) {
	for text, complaint := range map[string]string{
		"16384":       "not a slot",
		"-1":          "not a slot",
		"+1":          "not a slot",
		"01":          "not a slot",
		"1e1":         "not a slot",
		"99999999999": "not a slot",
		"a":           "not a slot",
		"1,":          "not a slot",
		",":           "not a slot",
		"1-":          "not a slot",
		"1-2-3":       "not a slot",
		"1 - 2":       "not a slot",
		"5-4":         "reversed",
		"1,1":         "slot 1 is named twice",
		"0-9,5-20":    "slot 5 is named twice",
		"10-20,0-99":  "slot 10 is named twice",
	} {
		s, err := slot.Parse(text)
		if err == nil || !strings.Contains(err.Error(), complaint) || !s.Empty() {
			t.Errorf("%q: %q, %v", text, s, err)
		}
	}
}

func TestRangesAreTheRunsOfTheSet(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		s := someSet(r)
		var back slot.Set
		last := -2
		for _, run := range s.Ranges() {
			if run.First <= last+1 || run.Last < run.First {
				t.Fatalf("seed %d: %v after %d in %s", seed, run, last, s)
			}
			last = run.Last
			back.AddRange(run.First, run.Last)
		}
		if back != s {
			t.Fatalf("seed %d: ranges of %s are %v", seed, s, s.Ranges())
		}
	}
}

func TestASetTravelsAsText(t *testing.T) {
	type box struct{ Slots slot.Set }
	in := box{}
	in.Slots.AddRange(0, 5460)
	data, err := json.Marshal(in)
	if err != nil || string(data) != `{"Slots":"0-5460"}` {
		t.Fatalf("%s, %v", data, err)
	}
	var out box
	if err := json.Unmarshal(data, &out); err != nil || out != in {
		t.Errorf("%s, %v", out.Slots, err)
	}
	if err := json.Unmarshal([]byte(`{"Slots":"7-6"}`), &out); err == nil || out != in {
		t.Errorf("a wrong text changed the set to %s, %v", out.Slots, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "0", "0-16383", "0-99,200", " 1 , 2 ", "5-4", "1,1", "16384", "99999-1", "1-2-3", "[77->-id]", "63-64,65", "007", "1_0", "０"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := slot.Parse(text)
		if err != nil {
			if !s.Empty() {
				t.Errorf("%q is wrong and is %s", text, s)
			}
			return
		}
		back, err := slot.Parse(s.String())
		if err != nil || back != s {
			t.Errorf("%q is %s, and that %s, %v", text, s, back, err)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789-, \t\n\v\f\r\u0085\u00a0", r) && r < 128 }) {
			t.Errorf("%q was read as %s", text, s)
		}
		if !slices.IsSorted(slices.Collect(s.Each())) {
			t.Errorf("%q is out of order", text)
		}
	})
}
