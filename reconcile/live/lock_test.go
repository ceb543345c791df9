package live

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// elsewhere is the same cluster as another machine sees it.
func elsewhere(t testing.TB, c *Cluster) *Cluster {
	t.Helper()
	return open(t, c.platform, Access{})
}

func lock(t testing.TB, c *Cluster) (unlock func(), holder string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	unlock, holder, err := c.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if unlock != nil {
		t.Cleanup(unlock)
	}
	return unlock, holder
}

func TestOneRunActsAndTheOtherLearnsWhoItIs(t *testing.T) {
	first := open(t, inventoryOf(fleet(t, 2, 0)...), Access{})
	second := elsewhere(t, first)
	unlock, holder := lock(t, first)
	if unlock == nil {
		t.Fatalf("held by %s", holder)
	}
	if got, holder := lock(t, second); got != nil || !strings.Contains(holder, "slotwright:orders:") {
		t.Errorf("the second run got the lock too, or no name: %q", holder)
	}
	if err := try(t, first, plan.Step{Kind: plan.Configure, Node: "m0"}); err != nil {
		t.Errorf("the holder was disturbed: %v", err)
	}
	unlock()
	unlock() // twice is once
	if got, holder := lock(t, second); got == nil {
		t.Errorf("the lock was not given back: %s", holder)
	} else {
		got()
	}
}

func TestRunsWhoseInventoriesShareNoNodeMeetAtTheMembers(t *testing.T) {
	servers := fleet(t, 4, 0)
	all := open(t, inventoryOf(servers...), Access{})
	if err := try(t, all, plan.Step{Kind: plan.Meet, Node: "m0"}, plan.Step{Kind: plan.Meet, Node: "m1"},
		plan.Step{Kind: plan.Meet, Node: "m2"}, plan.Step{Kind: plan.Meet, Node: "m3"}); err != nil {
		t.Fatal(err)
	}
	first, second := open(t, inventoryOf(servers[:2]...), Access{}), open(t, inventoryOf(servers[2:]...), Access{})
	observe(t, first)
	observe(t, second)
	unlock, holder := lock(t, first)
	if unlock == nil {
		t.Fatalf("held by %s", holder)
	}
	if got, holder := lock(t, second); got != nil || !strings.Contains(holder, "slotwright:orders:") {
		t.Errorf("the second run got the lock too, or no name: %q", holder)
	}
	unlock()
	if got, holder := lock(t, second); got == nil {
		t.Errorf("the lock was not given back: %s", holder)
	} else {
		got()
	}
}

func TestRunsOfOneMachineMeetBeforeAnyNodeExists(t *testing.T) {
	state := t.TempDir()
	a := New(spec.Topology{Name: "orders"}, &inventory{}, Options{State: state})
	b := New(spec.Topology{Name: "orders"}, &inventory{}, Options{State: state})
	other := New(spec.Topology{Name: "carts"}, &inventory{}, Options{State: state})
	unlock, _ := lock(t, a)
	if got, holder := lock(t, b); got != nil || !strings.Contains(holder, "process") {
		t.Errorf("two runs at once; holder %q", holder)
	}
	if got, holder := lock(t, other); got == nil {
		t.Errorf("another cluster is locked, too: %s", holder)
	}
	unlock()
	if got, holder := lock(t, b); got == nil {
		t.Errorf("the lock was not given back: %s", holder)
	}
}

func TestManyRunsAtOnceNeverActTogether(t *testing.T) {
	first := open(t, inventoryOf(fleet(t, 3, 0)...), Access{})
	var acting, held atomic.Int32
	var wait sync.WaitGroup
	for range 6 {
		c := elsewhere(t, first)
		wait.Go(func() {
			unlock, _, err := c.Lock(context.Background())
			if err != nil {
				t.Error(err)
			}
			if unlock == nil {
				return
			}
			held.Add(1)
			if n := acting.Add(1); n > 1 {
				t.Errorf("%d runs act at once", n)
			}
			time.Sleep(20 * time.Millisecond) // the others' chance to get in
			acting.Add(-1)
			unlock()
		})
	}
	wait.Wait()
	t.Logf("%d of 6 got the lock", held.Load())
}

func TestALockThatAnotherRunTookOverStopsTheFirst(t *testing.T) {
	first := open(t, inventoryOf(fleet(t, 2, 0)...), Access{})
	lock(t, first)
	for _, conn := range first.held.conns { // the network drops every connection
		_ = conn.Close()
	}
	again, holder := lock(t, elsewhere(t, first))
	if again == nil {
		t.Fatalf("the lock outlived its connections: %s", holder)
	}
	if err := try(t, first, plan.Step{Kind: plan.Configure, Node: "m0"}); err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("the first run goes on: %v", err)
	}
}

// A run that is told to stop has not lost its lock.
func TestARunThatIsStoppedDoesNotSayThatItsLockIsLost(t *testing.T) {
	c := open(t, inventoryOf(fleet(t, 2, 0)...), Access{})
	lock(t, c)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := c.Do(ctx, cluster.State{}, nil, nil); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "lost") {
		t.Errorf("it says %v", err)
	}
}

// What a run that was killed while it wrote left behind is gone with the next one.
func TestTheNextRunSweepsUpAfterAKilledOne(t *testing.T) {
	c := open(t, inventoryOf(), Access{})
	left := filepath.Join(c.state, ".orders.roster.json.new-1")
	if err := os.WriteFile(left, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	lock(t, c)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", left, err)
	}
}

func TestADroppedConnectionIsNamedAgainWhileNobodyElseCame(t *testing.T) {
	first := open(t, inventoryOf(fleet(t, 2, 0)...), Access{})
	lock(t, first)
	for _, place := range first.platform.(*inventory).places {
		command(t, first, place.Addr, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
	if err := try(t, first, plan.Step{Kind: plan.Configure, Node: "m0"}); err != nil {
		t.Errorf("the run did not take its lock again: %v", err)
	}
	if got, holder := lock(t, elsewhere(t, first)); got != nil || holder == "" {
		t.Error("the lock is not seen any more")
	}
}

func TestTheLockOutlivesTheServersPatienceWithIdleConnections(t *testing.T) {
	first := open(t, inventoryOf(fleet(t, 2, 0)...), Access{})
	lock(t, first)
	for _, place := range first.platform.(*inventory).places {
		command(t, first, place.Addr, "CONFIG", "SET", "timeout", 1)
		idle := first.dial(place.Addr)
		defer idle.Close()
		if _, err := idle.Do(t.Context(), "CLIENT", "SETNAME", "idle"); err != nil {
			t.Fatal(err)
		}
	}
	for _, place := range first.platform.(*inventory).places {
		for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			fresh := first.dial(place.Addr) // the test's own may just be idle for too long
			clients, err := fresh.Do(t.Context(), "CLIENT", "LIST")
			_ = fresh.Close()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(clients.(string), "name=idle ") {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("%s closes no idle connection", place.Name)
			}
		}
	}
	if got, holder := lock(t, elsewhere(t, first)); got != nil || !strings.Contains(holder, "slotwright:orders:") {
		t.Errorf("the second run got the lock too, or no name: %q", holder)
	}
	if err := try(t, first, plan.Step{Kind: plan.Configure, Node: "m0"}); err != nil {
		t.Errorf("the holder was disturbed: %v", err)
	}
}

func TestAStageEndsWhenAnotherRunTakesTheLockOver(t *testing.T) {
	servers := fleet(t, 2, 0, "late")
	platform := inventoryOf(servers...)
	c := open(t, platform, Access{})
	seen := observe(t, c)
	lock(t, c)
	other := c.dial(servers[0].addr)
	defer other.Close()
	platform.deed = func(string, []string) error { // in the middle of the stage
		servers[2].pause()
		t.Cleanup(servers[2].resume)
		if _, err := other.Do(t.Context(), "CLIENT", "SETNAME", lockPrefix+"orders:elsewhere:1:0"); err != nil {
			return err
		}
		clients := command(t, c, servers[0].addr, "CLIENT", "LIST").(string)
		for line := range strings.Lines(clients) {
			if strings.Contains(line, "name="+c.held.mark+" ") {
				id, _, _ := strings.Cut(strings.TrimPrefix(line, "id="), " ")
				command(t, c, servers[0].addr, "CLIENT", "KILL", "ID", id)
			}
		}
		return nil
	}
	const lost = "the lock on orders is lost at m0: another run acts: slotwright:orders:elsewhere:1:0"
	err := c.Do(t.Context(), seen, []plan.Step{{Kind: plan.Start, Node: "late"}}, nil)
	if err == nil || err.Error() != lost || errors.Is(err, context.Canceled) {
		t.Errorf("the stage ended with: %v", err)
	}
	_ = other.Close()
	if err := c.Do(t.Context(), seen, nil, nil); err == nil || err.Error() != lost {
		t.Errorf("the next stage ran: %v", err)
	}
	if err := c.Tidy(t.Context(), seen); err == nil || err.Error() != lost {
		t.Errorf("what the other run needs was put back: %v", err)
	}
}
