package plan

import (
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

func TestTheEngineOfAPair(t *testing.T) {
	valkey9, valkey8, redis := cluster.Server{Name: "valkey", Version: "9.1.2"}, cluster.Server{Name: "valkey", Version: "8.1.0"}, cluster.Server{Name: "redis", Version: "9.0.0"}
	node := func(name string, s cluster.Server) cluster.Node { return cluster.Node{Name: name, Server: s} }
	modules := func(n cluster.Node, names ...string) cluster.Node { n.Modules = names; return n }
	loginless := node("a", valkey9)
	loginless.Loginless = true
	other := node("b", valkey9)
	other.Loginless = true
	for _, c := range []struct {
		from, to cluster.Node
		want     Engine
		why      string
		detour   bool
	}{
		{node("a", valkey9), node("b", valkey9), Atomic, bothCan, false},
		{node("a", redis), node("b", valkey8), Migrate, neitherCan, false},
		{node("a", valkey9), node("b", valkey8), Migrate, "b runs no Valkey 9", true},
		{node("a", redis), node("b", valkey9), Migrate, "a runs no Valkey 9", true},
		{node("a", valkey9), node("b", cluster.Server{}), Atomic, bothCan, false},
		{node("a", redis), node("b", cluster.Server{}), Migrate, neitherCan, false},
		{loginless, node("b", valkey9), Migrate, "a has no primaryauth to log in with at b", true},
		{node("a", valkey9), other, Atomic, bothCan, false}, // only the source logs in
		{modules(node("a", valkey9), "search", "json"), node("b", valkey9), Migrate, "a has modules that forbid the atomic way: search, json", true},
		{node("a", valkey9), modules(node("b", valkey9), "bf"), Migrate, "b has modules that forbid the atomic way: bf", true},
		{modules(node("a", redis), "search"), node("b", redis), Migrate, neitherCan, false},
	} {
		engine, why := EngineFor(&c.from, &c.to)
		if detour := (Step{Engine: engine, EngineReason: why}).Detour(); engine != c.want || why != c.why || detour != c.detour {
			t.Errorf("%v to %v: %s, %q, detour %t", c.from.Server, c.to.Server, engine, why, detour)
		}
	}
}

func TestMovesTakeAsLongAsTheirBusiestEnd(t *testing.T) {
	var slots slot.Set
	slots.AddRange(0, 999)
	move := func(from, to string, e Engine, keys, bytes int64) Step {
		return Step{Kind: Move, From: from, To: to, Slots: slots, Keys: keys, Bytes: bytes, Engine: e}
	}
	for name, c := range map[string]struct {
		steps []Step
		want  int64
	}{
		"keys":                   {[]Step{move("a", "b", Migrate, 1_000_000, 0)}, 14},
		"bytes":                  {[]Step{move("a", "b", Migrate, 1, 2e9)}, 11},
		"atomically":             {[]Step{move("a", "b", Atomic, 1_000_000, 2e9)}, 15},
		"pairs run at once":      {[]Step{move("a", "b", Migrate, 1e6, 0), move("c", "d", Migrate, 2e6, 0)}, 27},
		"one end has them all":   {[]Step{move("a", "x", Migrate, 1e6, 0), move("b", "x", Migrate, 2e6, 0), {Kind: Follow}}, 40},
		"what can't be told":     {[]Step{move("a", "b", Migrate, 1e6, 0), move("a", "b", Migrate, cluster.Unknown, cluster.Unknown)}, 0},
		"bytes that are unknown": {[]Step{move("a", "b", Migrate, 1e6, cluster.Unknown)}, 14},
		"no keys":                {[]Step{move("a", "b", Migrate, 0, 0)}, 1},
		"nothing moves":          {nil, 0},
	} {
		if got := ETA(c.steps); got != c.want {
			t.Errorf("%s: %d s, want %d", name, got, c.want)
		}
	}
}
