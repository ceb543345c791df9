package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// deed is what a step does, with its costs, in one line.
func deed(s plan.Step) string {
	switch s.Kind {
	case plan.Move:
		return fmt.Sprintf("Move %s%s from %s to %s", ranges(s.Slots), cost(s), s.From, s.To)
	case plan.Close:
		if s.From == s.To {
			return fmt.Sprintf("Close %s%s back at %s", ranges(s.Slots), cost(s), s.To)
		}
		return fmt.Sprintf("Close %s%s from %s to %s", ranges(s.Slots), cost(s), s.From, s.To)
	case plan.Assign:
		return fmt.Sprintf("Assign %s (%s) to %s", ranges(s.Slots), count(s.Slots.Len(), "slot"), s.Node)
	case plan.Follow:
		return fmt.Sprintf("Follow %s of %s%s", s.Node, s.To, size(s.Bytes))
	case plan.Promote:
		return fmt.Sprintf("Promote %s over %s", s.Node, s.From)
	case plan.Configure:
		return fmt.Sprintf("Configure %s: %s", s.Node, directives(s.Config))
	case plan.Furnish:
		return "Furnish the platform with what belongs around the nodes"
	case plan.Restart:
		return fmt.Sprintf("Restart %s%s", s.Node, after(": ", directives(s.Config)))
	}
	return fmt.Sprintf("%s %s", s.Kind, s.Node)
}

// cost is " (1366 slots, about 83k keys, 11MB, 3 s, by MIGRATE)".
func cost(s plan.Step) string {
	parts := []string{count(s.Slots.Len(), "slot")}
	if s.Keys != unknown {
		parts = append(parts, aboutKeys(s.Keys))
	}
	if s.Kind == plan.Move {
		parts = append(parts, load(s.Bytes, s.ETA)...)
	}
	switch s.Engine {
	case plan.Atomic:
		parts = append(parts, "atomically")
	case plan.Migrate:
		parts = append(parts, "by MIGRATE")
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// load is how many bytes move and how long that takes, as far as it is known.
func load(bytes, seconds int64) []string {
	var parts []string
	if bytes > 0 {
		parts = append(parts, about(bytes)+"B")
	}
	if seconds > 0 {
		parts = append(parts, lasting(seconds))
	}
	return parts
}

// because is why a step is taken, what is odd about its way, and what it risks.
func because(s plan.Step) string {
	parts := []string{s.Reason}
	if s.Detour() {
		parts = append(parts, "by MIGRATE: "+s.EngineReason)
	}
	if s.Bare {
		parts = append(parts, fmt.Sprintf("shard %s has no synced replica while this runs", s.Shard))
	}
	return strings.TrimPrefix(strings.Join(parts, "; "), "; ")
}

// unknown is a count nobody could tell, see cluster.Unknown.
const unknown = -1

func size(bytes int64) string {
	if bytes <= 0 {
		return ""
	}
	return fmt.Sprintf(" (about %sB to copy)", about(bytes))
}

func directives(config map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(config)) {
		parts = append(parts, key+" "+config[key])
	}
	return strings.Join(parts, ", ")
}

// after is text behind a lead, or nothing.
func after(lead, text string) string {
	if text == "" {
		return ""
	}
	return lead + text
}

// sign says in one character whether a step adds, changes or takes away.
func sign(k plan.Kind) string {
	switch k {
	case plan.Start, plan.Meet, plan.Assign, plan.Follow:
		return "+"
	case plan.Forget, plan.Reset, plan.Stop, plan.Destroy:
		return "-"
	}
	return "~"
}

func colourOf(sign string) string {
	return map[string]string{"+": green, "-": red, "~": yellow}[sign]
}
