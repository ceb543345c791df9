//go:build engines

package live

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// plainModule is the source of the smallest module there is. It declares support
// for nothing, as most modules do.
const plainModule = `int RedisModule_OnLoad(void *ctx, void **argv, int argc) {
	int (*get)(const char *, void *) = *(int (**)(const char *, void *))ctx;
	int (*set_attribs)(void *, const char *, int, int);
	(void)argv, (void)argc;
	get("RedisModule_SetModuleAttribs", (void *)&set_attribs);
	set_attribs(ctx, "plain", 1, 1);
	return 0;
}
`

// buildModule compiles it.
func buildModule(t *testing.T) string {
	t.Helper()
	source, module := filepath.Join(t.TempDir(), "plain.c"), filepath.Join(t.TempDir(), "plain.so")
	if err := os.WriteFile(source, []byte(plainModule), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", module, source).CombinedOutput(); err != nil {
		t.Fatalf("no C compiler to build a module with: %v\n%s", err, out)
	}
	return module
}

// What keeps slots from going atomically is in the plan, before anything moves.
func TestAnAtomicMoveThatCannotBeIsSeenBefore(t *testing.T) {
	engine, err := filepath.Abs("../../.engines/valkey-9.1")
	if err != nil {
		t.Fatal(err)
	}
	module := buildModule(t)
	for name, c := range map[string]struct {
		password string
		at       int   // the server that gets
		command  []any // a command before
		engine   plan.Engine
		because  string
	}{
		"nothing":          {"", 0, []any{"PING"}, plan.Atomic, "both run Valkey 9 or newer"},
		"a login":          {"secret", 0, []any{"PING"}, plan.Atomic, "both run Valkey 9 or newer"},
		"no primaryauth":   {"secret", 0, []any{"CONFIG", "SET", "primaryauth", ""}, plan.Migrate, "m0 has no primaryauth to log in with at n2"},
		"module of source": {"", 0, []any{"MODULE", "LOAD", module}, plan.Migrate, "m0 has modules that forbid the atomic way: plain"},
		"module of target": {"", 2, []any{"MODULE", "LOAD", module}, plan.Migrate, "n2 has modules that forbid the atomic way: plain"},
	} {
		t.Run(name, func(t *testing.T) {
			servers := serve(t, livetest.Options{
				Config:   map[string]string{"enable-module-command": "yes", "appendonly": "no"},
				Password: c.password, Engines: []string{engine, engine, engine},
			}, "m0", "m1", "n2")
			k := open(t, inventoryOf(servers...), Access{Login: Login{Password: c.password}})
			create(t, k, 2, 0)
			command(t, k, servers[c.at].addr, c.command...)
			do(t, k, plan.Step{Kind: plan.Meet, Node: "n2"})
			want := spec.Topology{Name: "orders", Masters: 3, Platform: spec.Platform{Static: &spec.Static{}}}
			seen := rested(t, k)
			seen = k.Measure(t.Context(), seen, plan.Make(want, seen).Unmeasured)
			moves := stepsOf(plan.Make(want, seen), plan.Move)
			i := slices.IndexFunc(moves, func(s plan.Step) bool { return s.From == "m0" })
			if i < 0 || moves[i].Engine != c.engine || moves[i].EngineReason != c.because {
				t.Fatalf("the moves are %+v, want %s because %s", moves, c.engine, c.because)
			}
			p := (&mover{dial: k.dial, seen: seen, login: k.login, budget: testBudget}).gather()
			defer p.letGo()
			if p.atomic(moves[i]) != (c.engine == plan.Atomic) {
				t.Errorf("the mover does not do what its plan says")
			}
		})
	}
}

// Databases of Valkey 9 add up.
func TestKeysOfAllDatabasesAreWeighed(t *testing.T) {
	engine, err := filepath.Abs("../../.engines/valkey-9.1")
	if err != nil {
		t.Fatal(err)
	}
	servers := serve(t, livetest.Options{Config: map[string]string{"cluster-databases": "4"}, Engines: []string{engine, engine}}, "m0", "m1")
	k := open(t, inventoryOf(servers...), Access{})
	create(t, k, 2, 0)
	rested(t, k)
	key := tagged(tagOf(7), 1)[0]
	for _, db := range []int{0, 3} {
		for _, cmd := range [][]any{{"SELECT", db}, {"SET", key, "value"}, {"SELECT", 0}} {
			command(t, k, servers[0].addr, cmd...)
		}
	}
	seen := rested(t, k)
	seen = k.Measure(t.Context(), seen, []plan.Step{{Kind: plan.Move, From: "m0", To: "m1", Slots: ranged(7, 8)}})
	if w := seen.Weights[7]; w.Keys != 2 || w.Bytes < 50 || w.Bytes > 500 || seen.Weights[8] != (cluster.Weight{}) {
		t.Errorf("got %+v", seen.Weights)
	}
}
