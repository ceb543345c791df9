package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// heldFor reports whether err is a hold with a code and a word.
func heldFor(err error, code plan.Code, word string) bool {
	var held plan.Held
	return errors.As(err, &held) && held.Code == code && strings.Contains(held.Text, word)
}

// value is a live directive of a server.
func value(t testing.TB, c *Cluster, addr, name string) string {
	t.Helper()
	return asPairs(command(t, c, addr, "CONFIG", "GET", name))[name]
}

func TestReplicaMigrationIsLentAndPutBackByALaterRun(t *testing.T) {
	servers := fleet(t, 2, 0)
	first := open(t, inventoryOf(servers...), Access{})
	create(t, first, 2, 0)
	command(t, first, servers[1].addr, "CONFIG", "SET", migrationBarrier, 7)
	off := serveOne(t, first, "off")
	command(t, first, off.addr, "CONFIG", "SET", allowMigration, "no")
	do(t, first, plan.Step{Kind: plan.Meet, Node: "off"})

	stranger := serveOne(t, first, "stranger")
	do(t, first, plan.Step{Kind: plan.Meet, Node: "stranger"})
	first.platform.(*inventory).unlist("stranger")
	if err := os.Remove(first.rosterFile()); err != nil { // nobody remembers that it was listed
		t.Fatal(err)
	}

	for range 2 { // borrowing twice is borrowing once
		w := &work{Cluster: first, seen: observe(t, first)}
		if err := w.borrow(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if got := value(t, first, servers[1].addr, allowMigration) + value(t, first, servers[1].addr, migrationBarrier); got != "no1007" {
		t.Errorf("while lent: %s", got)
	}

	if got := value(t, first, stranger.addr, allowMigration); got != "yes" {
		t.Errorf("a stranger was switched, too: %s", got)
	}

	second := elsewhere(t, first)
	seen := observe(t, second)
	if m := seen.Node("m1"); !m.Borrowed || m.Config[migrationBarrier] != "7" || m.Config[allowMigration] != "yes" {
		t.Errorf("a later run sees borrowed %v, %v", m.Borrowed, m.Config)
	}
	if seen.Node("off").Borrowed {
		t.Error("what was off before is taken for lent")
	}
	if err := second.Tidy(context.Background(), seen); err != nil {
		t.Fatal(err)
	}
	for i, barrier := range []string{"1", "7"} {
		if got := value(t, second, servers[i].addr, allowMigration) + value(t, second, servers[i].addr, migrationBarrier); got != "yes"+barrier {
			t.Errorf("m%d after tidying: %s", i, got)
		}
	}
	if got := value(t, second, off.addr, allowMigration); got != "no" {
		t.Errorf("what was off before is %s", got)
	}
}

// serveOne adds a server to the inventory of c.
func serveOne(t testing.TB, c *Cluster, name string) *server {
	t.Helper()
	s := fleet(t, 0, 0, name)[0]
	p := c.platform.(*inventory)
	p.places = append(p.places, inventoryOf(s).places...)
	return s
}

func TestDirectivesAreSetTogetherOrNotAtAll(t *testing.T) {
	s := fleet(t, 1, 0)[0]
	c := open(t, inventoryOf(s), Access{})
	if err := try(t, c, plan.Step{Kind: plan.Configure, Node: "m0", Config: map[string]string{
		"maxmemory": "64mb", "maxmemory-policy": "no-such-policy",
	}}); !heldFor(err, plan.BadConfig, "maxmemory-policy") || value(t, c, s.addr, "maxmemory") != "0" {
		t.Errorf("error %v, maxmemory %s", err, value(t, c, s.addr, "maxmemory"))
	}
	seen := do(t, c, plan.Step{Kind: plan.Configure, Node: "m0", Config: map[string]string{
		"maxmemory": "64mb", "maxmemory-policy": "allkeys-lru",
	}})
	if m := seen.Node("m0"); m.Memory.Max != 64<<20 || m.Memory.Policy != "allkeys-lru" {
		t.Errorf("seen afterwards: %+v", m.Memory)
	}
	s.kill()
	s.fleet.Again(s.index) // the harness writes the server's file again
	if m := node(t, c, "m0"); m.Health != cluster.Up || m.Memory.Max != 0 {
		t.Errorf("after a restart: health %v, %+v", m.Health, m.Memory)
	}
}

func TestLentDirectivesAreNeverWrittenToAServersFile(t *testing.T) {
	s := fleet(t, 1, 0)[0]
	c := open(t, inventoryOf(s), Access{})
	create(t, c, 1, 0)
	w := &work{Cluster: c, seen: observe(t, c)}
	if err := w.borrow(context.Background()); err != nil {
		t.Fatal(err)
	}
	do(t, c, plan.Step{Kind: plan.Configure, Node: "m0", Config: map[string]string{"maxmemory": "64mb"}})
	if got := value(t, c, s.addr, allowMigration) + value(t, c, s.addr, migrationBarrier); got != "yes1" {
		t.Errorf("after configuring: %s", got)
	}
}

func TestOnlyAReplicaOrAnIdleMasterIsRestarted(t *testing.T) {
	servers := fleet(t, 2, 1, "idle")
	p := inventoryOf(servers...)
	p.deed = func(_ string, names []string) error {
		for _, s := range servers {
			if s.name == names[0] {
				s.kill()
				s.fleet.Again(s.index)
			}
		}
		return nil
	}
	c := open(t, p, Access{})
	create(t, c, 2, 1)
	if err := try(t, c, plan.Step{Kind: plan.Restart, Node: "m0"}); err == nil || !strings.Contains(err.Error(), "master with slots") {
		t.Errorf("a master with slots: %v", err)
	}
	told := map[string]int{}
	steps := []plan.Step{{Kind: plan.Restart, Node: "r0"}, {Kind: plan.Restart, Node: "idle"}}
	err := c.Do(t.Context(), observe(t, c), steps, func(p plan.Progress) {
		if p.Total > 0 && p.Done == p.Total {
			told[p.Step.Node]++
		}
	})
	if err != nil || told["r0"] != 1 || told["idle"] != 1 {
		t.Fatalf("error %v, ends told by node %v, want one each", err, told)
	}
	seen := observe(t, c)
	if r := seen.Node("r0"); !r.Linked || r.Master != seen.Node("m0").ID {
		t.Errorf("r0 after its restart: linked %v, master %.8s", r.Linked, r.Master)
	}
	if got := strings.Join(p.asked, " "); got != "restart[r0] restart[idle]" {
		t.Errorf("the platform was asked: %s", got)
	}
	p.deed = func(string, []string) error {
		return fmt.Errorf("restart r0: %w", cluster.BadConfig{Words: "Bad directive", Retry: "remove it"})
	}
	if err := try(t, c, plan.Step{Kind: plan.Restart, Node: "r0"}); !heldFor(err, plan.BadConfig, "Bad directive") {
		t.Errorf("a refused configuration: %v", err)
	}
}

func TestOnlyNodesThatHaveLeftAreStopped(t *testing.T) {
	servers := fleet(t, 3, 1)
	p := inventoryOf(servers...)
	c := open(t, p, Access{})
	create(t, c, 3, 1)
	for _, name := range []string{"m0", "r0"} {
		if err := try(t, c, plan.Step{Kind: plan.Stop, Node: name}); err == nil {
			t.Errorf("%s was stopped as a member", name)
		}
	}
	if err := try(t, c, plan.Step{Kind: plan.Destroy, Node: "r0"}); err == nil {
		t.Error("a node was destroyed without a permission")
	}
	do(t, c, plan.Step{Kind: plan.Forget, Node: "r0"})
	do(t, c, plan.Step{Kind: plan.Stop, Node: "r0"})
	if got := strings.Join(p.asked, " "); got != "stop[r0]" {
		t.Errorf("the platform was asked: %s", got)
	}
}
