package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// String is the line a person reads and a story holds.
func (s Step) String() string {
	slots := fmt.Sprintf("%s (%s)", s.Slots, plural(s.Slots.Len(), "slot"))
	switch s.Kind {
	case Close:
		if s.From == s.To {
			return fmt.Sprintf("Close %s back at %s", slots, s.To)
		}
		return fmt.Sprintf("Close %s from %s to %s", slots, s.From, s.To)
	case Assign:
		return fmt.Sprintf("Assign %s to %s", slots, s.Node)
	case Move:
		return fmt.Sprintf("Move %s from %s to %s", slots, s.From, s.To)
	case Follow:
		if s.Bare {
			return fmt.Sprintf("Follow %s of %s (%s is bare meanwhile)", s.Node, s.To, s.Shard)
		}
		return fmt.Sprintf("Follow %s of %s", s.Node, s.To)
	case Promote:
		return fmt.Sprintf("Promote %s over %s", s.Node, s.From)
	case Furnish:
		return "Furnish"
	case Configure, Restart:
		if len(s.Config) > 0 {
			return fmt.Sprintf("%s %s: %s", s.Kind, s.Node, configText(s.Config))
		}
	}
	return fmt.Sprintf("%s %s", s.Kind, s.Node)
}

func configText(config map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(config)) {
		parts = append(parts, key+" "+config[key])
	}
	return strings.Join(parts, ", ")
}

// String is the hold on one line: who can lift it, its code, what holds.
func (h Hold) String() string { return fmt.Sprintf("%s %s: %s", h.Why, h.Code, h.Text) }
