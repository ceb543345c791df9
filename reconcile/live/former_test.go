package live

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// fixed opens a cluster of a fixed inventory that remembers in a directory.
func fixed(t *testing.T, name, state string, p Platform) *Cluster {
	t.Helper()
	want := spec.Topology{Name: name, Platform: spec.Platform{Static: &spec.Static{}}}
	c := New(want, p, Options{State: state})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A node that could not be reset when it left is not out of mind: when it runs
// again it tells clients of a cluster that is no more.
func TestANodeThatLeftWithoutAResetIsNoticed(t *testing.T) {
	p := inventoryOf(fleet(t, 3, 1)...)
	c := fixed(t, "orders", t.TempDir(), p)
	seen := create(t, c, 3, 1)
	if err := c.Remember(seen); err != nil {
		t.Fatal(err)
	}
	left := *seen.Node("r0")
	for _, m := range []string{"m0", "m1", "m2"} {
		command(t, c, seen.Node(m).Addr, "CLUSTER", "FORGET", left.ID)
	}
	p.unlist("r0")
	again := func(what string, want ...cluster.Former) {
		t.Helper()
		c.formers.asked = time.Time{}
		seen := observe(t, c)
		if len(seen.Former) != len(want) || len(want) > 0 && seen.Former[0] != want[0] {
			t.Errorf("%s: %+v, want %+v", what, seen.Former, want)
		}
		if err := c.Remember(seen); err != nil {
			t.Fatal(err)
		}
	}
	again("right after", cluster.Former{Name: "r0", Addr: left.Addr})
	again("also when it is remembered as gone", cluster.Former{Name: "r0", Addr: left.Addr})
	c.formers.found = nil
	if seen := observe(t, c); len(seen.Former) > 0 {
		t.Error("it is asked again and again")
	}
	command(t, c, left.Addr, "CLUSTER", "RESET", "SOFT")
	again("after a reset")
	if members, former, err := c.roster(); err != nil || len(members) != 3 || len(former) != 0 {
		t.Errorf("remembered are %d members and %d that left: %v", len(members), len(former), err)
	}
}

// A node whose name is lost is a stranger. Why it is one must not be lost, too.
func TestAStrangerIsToldFromAMemberThatWasForgottenByMistake(t *testing.T) {
	state, p := t.TempDir(), inventoryOf(fleet(t, 3, 0)...)
	c := fixed(t, "orders", state, p)
	seen := create(t, c, 3, 0)
	if err := c.Remember(seen); err != nil {
		t.Fatal(err)
	}
	p.unlist("m2")
	addr := seen.Node("m2").Addr
	renamed := observe(t, fixed(t, "shop", state, p))
	if n := renamed.Node(addr); n == nil || n.Before || n.Once != "m2 of cluster orders" {
		t.Errorf("under another name of the cluster it is %+v", n)
	}
	seen = observe(t, c)
	if n := seen.Node("m2"); n == nil || !n.Before || n.Once != "" {
		t.Errorf("it is remembered as %+v", n)
	}
	file := c.rosterFile()
	if err := os.WriteFile(file, []byte(`{"cut off`), 0o600); err != nil {
		t.Fatal(err)
	}
	seen = observe(t, c)
	if n := seen.Node(addr); n == nil || n.Before || !strings.Contains(seen.Unremembered, file) {
		t.Errorf("with a damaged memory it is %+v, and %q", n, seen.Unremembered)
	}
	if err := c.Remember(seen); err == nil {
		t.Error("a damaged memory was written over")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != `{"cut off` {
		t.Errorf("the file is %q, %v", text, err)
	}
}
