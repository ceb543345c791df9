package live

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// do observes, carries out the steps as one stage and observes again.
func do(t testing.TB, c *Cluster, steps ...plan.Step) cluster.State {
	t.Helper()
	if err := try(t, c, steps...); err != nil {
		t.Fatal(err)
	}
	return observe(t, c)
}

func try(t testing.TB, c *Cluster, steps ...plan.Step) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	return c.Do(ctx, observe(t, c), steps, nil)
}

// even are the slots of the i-th of n masters.
func even(i, n int) slot.Set {
	var s slot.Set
	s.AddRange(i*slot.Count/n, (i+1)*slot.Count/n-1)
	return s
}

// create forms a cluster of masters m0.. and one replica each, r0...
func create(t testing.TB, c *Cluster, masters, replicas int) cluster.State {
	t.Helper()
	var meets, assigns, follows []plan.Step
	for i := range masters {
		m := fmt.Sprintf("m%d", i)
		meets = append(meets, plan.Step{Kind: plan.Meet, Node: m})
		assigns = append(assigns, plan.Step{Kind: plan.Assign, Node: m, Slots: even(i, masters)})
		if i < replicas {
			r := fmt.Sprintf("r%d", i)
			meets = append(meets, plan.Step{Kind: plan.Meet, Node: r})
			follows = append(follows, plan.Step{Kind: plan.Follow, Node: r, To: m})
		}
	}
	do(t, c, meets...)
	seen := do(t, c, assigns...)
	if len(follows) > 0 {
		seen = do(t, c, follows...)
	}
	return seen
}

func TestBlankServersBecomeAClusterOfMastersAndReplicas(t *testing.T) {
	servers := fleet(t, 3, 3)
	c := open(t, inventoryOf(servers...), Access{})
	seen := create(t, c, 3, 3)
	if left := seen.Unserved(); left != (slot.Set{}) {
		t.Errorf("slots %v have no owner", left)
	}
	if len(seen.Split) > 0 || !seen.Formed {
		t.Errorf("formed %v, split %q", seen.Formed, seen.Split)
	}
	epochs := map[uint64]bool{}
	for i := range 3 {
		m, r := seen.Node(fmt.Sprintf("m%d", i)), seen.Node(fmt.Sprintf("r%d", i))
		if m.Slots != even(i, 3) || m.Master != "" || len(m.UnknownAt) > 0 {
			t.Errorf("%s: %+v", m.Name, m)
		}
		if r.Master != m.ID || !r.Linked || r.Lag > smallLag {
			t.Errorf("%s follows %.8s, linked %v, lag %d", r.Name, r.Master, r.Linked, r.Lag)
		}
		epochs[m.Epoch] = true
	}
	if len(epochs) != 3 {
		t.Errorf("masters share config epochs: %v", epochs)
	}
	value := command(t, c, servers[0].addr, "CLUSTER", "INFO").(string)
	if !strings.Contains(value, "cluster_slots_ok:16384") {
		t.Error(value)
	}
}

func TestAStepThatIsDoneAlreadyChangesNothing(t *testing.T) {
	servers := fleet(t, 1, 1)
	c := open(t, inventoryOf(servers...), Access{})
	before := create(t, c, 1, 1)
	syncs := command(t, c, servers[0].addr, "INFO", "stats").(string)
	do(t, c, plan.Step{Kind: plan.Meet, Node: "r0"})
	do(t, c, plan.Step{Kind: plan.Assign, Node: "m0", Slots: slot.All()})
	after := do(t, c, plan.Step{Kind: plan.Follow, Node: "r0", To: "m0"})
	if before.Node("r0").Master != after.Node("r0").Master {
		t.Error("the replica has another master")
	}
	if now := command(t, c, servers[0].addr, "INFO", "stats").(string); field(now, "sync_full") != field(syncs, "sync_full") {
		t.Errorf("the replica was synced again: %s, before %s", field(now, "sync_full"), field(syncs, "sync_full"))
	}
}

func field(info, name string) string {
	_, rest, _ := strings.Cut(info, name+":")
	value, _, _ := strings.Cut(rest, "\r")
	return value
}
