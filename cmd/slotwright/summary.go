package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// summary adds a plan up. Every node that a plan takes away is in it by name:
// a long plan must not hide a removal.
type summary struct {
	Start     []string `json:"start"`
	Join      int      `json:"join"`
	Assign    int      `json:"assign"` // slots that nobody owned
	Stop      []string `json:"stop"`
	MoveSlots int      `json:"moveSlots"`
	MoveKeys  int64    `json:"moveKeys"`  // about how many; -1 when it can't be told
	MoveBytes int64    `json:"moveBytes"` // likewise
	ETA       int64    `json:"eta"`       // about how many seconds slots move; 0 when it can't be told
	Promote   int      `json:"promote"`
	Follow    int      `json:"follow"`
	Configure int      `json:"configure"`
	Restart   int      `json:"restart"`
	Removed   []string `json:"removed"`        // nodes that leave the cluster
	Destroyed []string `json:"destroyed"`      // nodes whose data is removed for good
	Kept      []string `json:"kept,omitempty"` // nodes that go and whose volumes stay
}

func sum(p plan.Plan) summary {
	s := summary{Start: []string{}, Stop: []string{}, Removed: []string{}, Destroyed: []string{}}
	for _, step := range p.Steps {
		switch step.Kind {
		case plan.Start:
			s.Start = append(s.Start, step.Node)
		case plan.Meet:
			s.Join++
		case plan.Assign:
			s.Assign += step.Slots.Len()
		case plan.Configure:
			s.Configure++
		case plan.Move:
			s.MoveSlots += step.Slots.Len()
			s.MoveKeys = plus(s.MoveKeys, step.Keys)
			s.MoveBytes = plus(s.MoveBytes, step.Bytes)
		case plan.Promote:
			s.Promote++
		case plan.Follow:
			s.Follow++
		case plan.Restart:
			s.Restart++
		case plan.Stop:
			s.Stop = append(s.Stop, step.Node)
			s.Removed = append(s.Removed, step.Node)
		case plan.Forget:
			s.Removed = append(s.Removed, step.Node)
		case plan.Destroy:
			if step.Kept {
				s.Kept = append(s.Kept, step.Node)
			} else {
				s.Destroyed = append(s.Destroyed, step.Node)
			}
			s.Removed = append(s.Removed, step.Node)
		}
	}
	s.ETA = plan.ETA(p.Steps)
	slices.Sort(s.Removed)
	s.Removed = slices.Compact(s.Removed)
	return s
}

// plus adds counts; unknown and anything is unknown.
func plus(a, b int64) int64 {
	if a == unknown || b == unknown {
		return unknown
	}
	return a + b
}

// String is the last line of a plan.
func (s summary) String() string {
	slots := does(s.MoveSlots, "slot", "move")
	if s.MoveSlots > 0 && s.MoveKeys != unknown {
		slots += fmt.Sprintf(" (%s)", strings.Join(append([]string{aboutKeys(s.MoveKeys)}, load(s.MoveBytes, s.ETA)...), ", "))
	}
	parts := []string{
		does(len(s.Start), "node", "start"),
		slots,
		does(s.Follow, "replica", "sync"),
		count(s.Promote, "promotion"),
	}
	for _, rare := range []struct {
		n    int
		text string
	}{
		{s.Join, does(s.Join, "node", "join")},
		{s.Assign, does(s.Assign, "slot", "get") + " an owner"},
		{s.Configure, does(s.Configure, "node", "get") + " directives"},
		{s.Restart, count(s.Restart, "restart")},
	} {
		if rare.n > 0 {
			parts = append(parts, rare.text)
		}
	}
	text := "Plan: " + strings.Join(parts, ", ") + "."
	if len(s.Removed) > 0 {
		text += " Removed: " + strings.Join(s.Removed, ", ") + "."
	}
	if len(s.Destroyed) > 0 {
		text += " Data destroyed for good: " + strings.Join(s.Destroyed, ", ") + "."
	}
	if len(s.Kept) > 0 {
		text += " Their claims are kept, with the data: " + strings.Join(s.Kept, ", ") + "."
	}
	return text
}
