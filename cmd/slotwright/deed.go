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

// cost is " (1366 slots, about 83k keys)".
func cost(s plan.Step) string {
	text := count(s.Slots.Len(), "slot")
	if s.Keys != unknown {
		text += ", " + aboutKeys(s.Keys)
	}
	return " (" + text + ")"
}

// because is why a step is taken, and what it risks.
func because(s plan.Step) string {
	if !s.Bare {
		return s.Reason
	}
	risk := fmt.Sprintf("shard %s has no synced replica while this runs", s.Shard)
	return strings.TrimPrefix(s.Reason+"; "+risk, "; ")
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
