package plan

import (
	"fmt"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// Engine is the way slots are moved from one master to another.
type Engine string

// The engines.
const (
	Atomic  Engine = "atomic"  // CLUSTER MIGRATESLOTS of Valkey 9: the server copies whole slots
	Migrate Engine = "migrate" // MIGRATE, by keys
)

// The reasons that versions alone give.
const (
	bothCan    = "both run Valkey 9 or newer"
	neitherCan = "neither runs Valkey 9 or newer"
)

// EngineFor chooses the way of slots from one master to another, and says why.
// A node that does not run yet is taken to be like the other one. What it can't
// foresee, such as a right that is missing, makes the mover go on by MIGRATE.
func EngineFor(from, to *cluster.Node) (Engine, string) {
	sends, takes := from.Server.Valkey(atomicSince), to.Server.Valkey(atomicSince)
	if to.Server.Name == "" {
		takes = sends
	}
	switch {
	case !sends && !takes:
		return Migrate, neitherCan
	case !sends:
		return Migrate, from.Name + " runs no Valkey 9"
	case !takes:
		return Migrate, to.Name + " runs no Valkey 9"
	case from.Loginless:
		return Migrate, fmt.Sprintf("%s has no primaryauth to log in with at %s", from.Name, to.Name)
	}
	for _, n := range []*cluster.Node{from, to} {
		if len(n.Modules) > 0 {
			return Migrate, fmt.Sprintf("%s has modules that forbid the atomic way: %s", n.Name, strings.Join(n.Modules, ", "))
		}
	}
	return Atomic, bothCan
}

// atomicSince is the first Valkey with CLUSTER MIGRATESLOTS.
const atomicSince = 9

// Detour reports whether a move goes by MIGRATE though one of its ends is new
// enough for the atomic way: people should read why.
func (s Step) Detour() bool { return s.Engine == Migrate && s.EngineReason != neitherCan }
