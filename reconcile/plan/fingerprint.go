package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/slotwright/slotwright/spec/slot"
)

// Fingerprint is "sha256:" and 64 hex digits over the cluster's name and the
// goal: seats, leaders, owners of slots, removals, directives, slots whose keys are
// given up, and whether the cluster is deleted.
func (p Plan) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "slotwright plan 1\n%q\n", p.Cluster)
	for _, s := range p.Goal.Shards {
		fmt.Fprintf(h, "shard %q %q %s\n", s.Leader, s.Replicas, s.Slots)
	}
	fmt.Fprintf(h, "removed %q\n", p.Goal.Removed)
	if !p.Goal.Lost.Empty() {
		fmt.Fprintf(h, "lost %s\n", p.Goal.Lost)
	}
	if p.Goal.End != "" {
		fmt.Fprintf(h, "end %q\n", p.Goal.End)
	}
	for _, node := range slices.Sorted(maps.Keys(p.Goal.Config)) {
		for _, key := range slices.Sorted(maps.Keys(p.Goal.Config[node])) {
			fmt.Fprintf(h, "config %q %q %q\n", node, key, p.Goal.Config[node][key])
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// misfit says that an approval is of another plan, or "".
func (p Plan) misfit(approved string) string {
	switch {
	case approved == "" || approved == p.Fingerprint():
		return ""
	case len(p.Steps) == 0:
		return fmt.Sprintf("allow.plan: %s permits nothing now and can go", approved)
	}
	return fmt.Sprintf("allow.plan: %s is another plan than this", approved)
}

// Continues reports whether p is what is left of approved: every step, moves
// counted slot by slot, is one of its steps. Putting back what was borrowed is
// always part of it; a new removal never is. A half-moved slot may be closed
// where its move was approved, and back at its owner.
func (p Plan) Continues(approved Plan) bool {
	slots := map[string]slot.Set{}
	for _, s := range approved.Steps {
		slots[s.key()] = slots[s.key()].Union(s.Slots)
	}
	for _, s := range p.Steps {
		if !s.within(slots) {
			return false
		}
	}
	return true
}

// key names what a step does, leaving the slots out.
func (s Step) key() string {
	return fmt.Sprintf("%s %q %q %q %s", s.Kind, s.Node, s.From, s.To, configText(s.Config))
}

func (s Step) within(approved map[string]slot.Set) bool {
	switch {
	case s.PutsBack():
		return true
	case s.Kind == Close && s.From == s.To:
		return true
	}
	allowed, ok := approved[s.key()]
	if s.Kind == Close {
		move := Step{Kind: Move, From: s.From, To: s.To}
		allowed, ok = allowed.Union(approved[move.key()]), true
	}
	return ok && s.Slots.Minus(allowed) == (slot.Set{})
}
