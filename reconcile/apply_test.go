package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

func anything() Options { return Options{Approval: Anything()} }

func TestApplyWalksToTheGoal(t *testing.T) {
	c := three(t, "a-2", "b-2")
	var events []What
	o := anything()
	o.Report = func(e Event) { events = append(events, e.What) }
	shown := plan.Make(topology(4), c.now)
	r := Apply(t.Context(), c, topology(4), o)
	if r.Err != nil || r.Sync() != InSync {
		t.Fatalf("ends %s, error %v, plan:\n%s", r.Sync(), r.Err, texts(r.Plan.Steps))
	}
	if got, want := texts(r.Done), texts(shown.Steps); got != want {
		t.Errorf("did\n%s\nthe plan was\n%s", got, want)
	}
	if len(r.Failed) > 0 || len(r.NotStarted()) > 0 {
		t.Errorf("failed %v, not started %v", r.Failed, r.NotStarted())
	}
	if c.locks != 1 || c.unlocks != 1 || c.tidies != 1 {
		t.Errorf("%d locks, %d unlocks, %d tidies", c.locks, c.unlocks, c.tidies)
	}
	if events[0] != Planned || events[1] != Began || events[2] != Ended {
		t.Errorf("events %v", events)
	}
}

func TestAClusterInSyncIsOnlyLookedAt(t *testing.T) {
	c := three(t)
	c.holder = "somebody" // it would be noticed, if the lock was wanted
	r := Apply(t.Context(), c, topology(3), anything())
	if r.Err != nil || r.Sync() != InSync || c.looks != 1 || c.tidies != 0 || c.kept != 1 {
		t.Errorf("ends %s, error %v, %d looks, %d tidies, remembered %d times", r.Sync(), r.Err, c.looks, c.tidies, c.kept)
	}
	if r := Apply(t.Context(), c, topology(3), Options{}); r.Sync() != InSync || c.kept != 1 {
		t.Errorf("a mere look ends %s, remembered %d times", r.Sync(), c.kept)
	}
}

func TestWithoutApprovalNothingChanges(t *testing.T) {
	c := three(t, "a-2", "b-2")
	for name, run := range map[string]func(context.Context, Cluster, Options) Result{
		"once":  func(ctx context.Context, c Cluster, o Options) Result { return Once(ctx, c, topology(4), o) },
		"apply": func(ctx context.Context, c Cluster, o Options) Result { return Apply(ctx, c, topology(4), o) },
	} {
		r := run(t.Context(), c, Options{})
		if r.Sync() != OutOfSync || len(c.did) > 0 || c.locks > 0 || len(r.Plan.Steps) == 0 {
			t.Errorf("%s: ends %s, did %d steps, took %d locks", name, r.Sync(), len(c.did), c.locks)
		}
	}
	if c.kept != 0 {
		t.Error("what is not as wanted was remembered")
	}
}

func TestOnceTakesOneStage(t *testing.T) {
	c := three(t, "a-2", "b-2")
	stage := plan.Make(topology(4), c.now).First()
	r := Once(t.Context(), c, topology(4), anything())
	if got, want := texts(r.Done), texts(stage); got != want || r.Sync() != OutOfSync {
		t.Errorf("did\n%s\nthe stage was\n%s", got, want)
	}
	if c.unlocks != 1 || c.tidies != 1 {
		t.Errorf("%d unlocks, %d tidies", c.unlocks, c.tidies)
	}
}

func TestOnceTellsWhyItsStageFailed(t *testing.T) {
	broken := errors.New("meet a-2: connection reset")
	c := three(t, "a-2", "b-2")
	c.do = func(context.Context, []plan.Step, func(plan.Progress)) error { return broken }
	r := Once(t.Context(), c, topology(4), anything())
	if !errors.Is(r.Err, broken) || len(r.Failed) != 2 || len(r.Done) > 0 {
		t.Errorf("error %v, failed %v, done %v", r.Err, r.Failed, r.Done)
	}
}

func TestAStageThatAPersonMustDecideIsHeldAndNotTriedAgain(t *testing.T) {
	torn := plan.Held{Hold: plan.Hold{Why: plan.Stuck, Code: plan.TwoValues, Text: "slot 7"}}
	for name, c := range map[string]struct {
		err  error
		held bool
	}{
		"that alone":           {fmt.Errorf("close slots 7: %w", torn), true},
		"twice":                {errors.Join(torn, fmt.Errorf("move: %w", errors.Join(torn))), true},
		"another failure, too": {errors.Join(torn, errors.New("connection reset")), false},
	} {
		cluster := three(t, "a-2", "b-2")
		cluster.do = func(context.Context, []plan.Step, func(plan.Progress)) error { return c.err }
		r := Once(t.Context(), cluster, topology(4), anything())
		if has(r, plan.TwoValues) != c.held || (r.Err == nil) != c.held || c.held && len(r.Plan.Holds) != 1 {
			t.Errorf("%s: holds %v, error %v", name, r.Plan.Holds, r.Err)
		}
	}
}

func TestAnApprovalDoesNotCoverWhatChangedSince(t *testing.T) {
	c := three(t, "a-2", "b-2")
	o := Options{Approval: Exactly(plan.Make(topology(4), c.now))}
	c.change("c-1", func(n *cluster.Node) { n.Listed, n.Before = false, true })
	c.now.Nodes = append(c.now.Nodes, seats(t, "c-2").now.Nodes...)
	r := Apply(t.Context(), c, topology(4), o)
	if !has(r, plan.StaleApproval) || len(c.did) > 0 || c.locks > 0 {
		t.Fatalf("holds %v, did\n%s", r.Plan.Holds, texts(c.did))
	}
	if text := r.Plan.Holds[len(r.Plan.Holds)-1].Text; !strings.Contains(text, "Forget c-1") {
		t.Errorf("the hold does not name what nobody approved: %s", text)
	}
}

func TestDriftInMidRunStopsAnApprovedPlanAndNotAFreeOne(t *testing.T) {
	for _, free := range []bool{false, true} {
		c := three(t, "a-2", "b-2")
		o := Options{Approval: Exactly(plan.Make(topology(4), c.now))}
		if free {
			o = anything()
		}
		c.do = func(_ context.Context, stage []plan.Step, _ func(plan.Progress)) error {
			if len(c.did) == 0 { // a failover while the first stage runs
				c.change("b-1", func(n *cluster.Node) { n.Slots, n.Master = c.now.Node("a-0").Slots, "" })
				var none cluster.Node
				c.change("a-0", func(n *cluster.Node) { n.Slots, n.Master, n.Linked = none.Slots, "id-b-1", true })
			}
			c.perform(stage...)
			return nil
		}
		r := Apply(t.Context(), c, topology(4), o)
		if free && (r.Sync() != InSync || r.Err != nil) {
			t.Errorf("a free run ends %s, error %v, holds %v", r.Sync(), r.Err, r.Plan.Holds)
		}
		if !free && !has(r, plan.StaleApproval) {
			t.Errorf("an approved run goes on after drift: %s", texts(c.did))
		}
	}
}

// Right after a node was met some members know it and some do not. A plan made
// in that moment mends what mends itself, and nobody approved it.
func TestAnApprovedRunWaitsForMembersToAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		o := Options{Approval: Exactly(plan.Make(topology(4), c.now))}
		var met time.Time
		c.do = func(_ context.Context, stage []plan.Step, _ func(plan.Progress)) error {
			c.perform(stage...)
			if met.IsZero() {
				met = time.Now()
				c.now.Split = []string{"to a-2 b-1 is a master, and it is a replica of a-0"}
				c.change("b-0", func(n *cluster.Node) { n.UnknownAt = []string{"a-2"} })
			}
			return nil
		}
		c.whenSeen = func() {
			if !met.IsZero() && time.Since(met) > 4*time.Second {
				c.now.Split = nil
				c.change("b-0", func(n *cluster.Node) { n.UnknownAt = nil })
			}
		}
		if r := Apply(t.Context(), c, topology(4), o); r.Sync() != InSync || r.Err != nil {
			t.Errorf("ends %s, error %v, holds %v", r.Sync(), r.Err, r.Plan.Holds)
		}
	})
}

func TestAnApprovedRunDoesNotWaitLongForAnotherPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2", "c-2")
		o := Options{Approval: Exactly(plan.Plan{})}
		c.silence("c-1") // which holds a part, and is no reason for the rest
		begun := time.Now()
		r := Apply(t.Context(), c, topology(4), o)
		if !has(r, plan.StaleApproval) || time.Since(begun) > time.Minute {
			t.Errorf("after %s it holds %v", time.Since(begun), r.Plan.Holds)
		}
	})
}

func TestARunThatChangedTheClusterEndsWhenItServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		begun := time.Now()
		c.change("a-0", func(n *cluster.Node) { n.Ready = false })
		c.whenSeen = func() {
			if time.Since(begun) >= 3*time.Second {
				c.change("a-0", func(n *cluster.Node) { n.Ready = true })
			}
		}
		r := Apply(t.Context(), c, topology(4), anything())
		if !r.Seen.Node("a-0").Ready || r.Sync() != InSync {
			t.Errorf("ends %s while a-0 does not serve", r.Sync())
		}
		c = three(t, "a-2", "b-2") // and one that never does is no reason to stay for ever
		c.change("a-0", func(n *cluster.Node) { n.Ready = false })
		begun = time.Now()
		if r := Apply(t.Context(), c, topology(4), anything()); r.Sync() != InSync || time.Since(begun) > time.Minute {
			t.Errorf("ends %s after %s", r.Sync(), time.Since(begun))
		}
	})
}

// The rest of a change is finished to the slot, although a new plan would call
// it even enough: the tolerance decides only whether moving starts.
func TestAnInterruptedMoveIsFinishedToTheSlot(t *testing.T) {
	c := three(t, "a-2", "b-2")
	approved := plan.Make(topology(4), c.now)
	for _, s := range approved.Steps {
		for n := range s.Slots.Each() { // all but the first slot of every move
			s.Slots.Remove(n)
			break
		}
		c.now = s.Effect(c.now)
	}
	if left := plan.Make(topology(4), c.now); len(left.Steps) > 0 {
		t.Fatalf("a new plan would move on its own:\n%s", texts(left.Steps))
	}
	r := Apply(t.Context(), c, topology(4), Options{Approval: Exactly(approved)})
	if r.Sync() != InSync || len(c.did) != 3 {
		t.Errorf("ends %s, did\n%s", r.Sync(), texts(c.did))
	}
	for _, s := range c.did {
		if s.Slots.Len() != 1 {
			t.Errorf("took %s", s)
		}
	}
}

func TestTimeLiftsAHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		c.silence("a-2")
		begun := time.Now()
		c.whenSeen = func() {
			if time.Since(begun) > 2*time.Minute {
				c.wake("a-2")
			}
		}
		waited := false
		o := anything()
		o.Report = func(e Event) { waited = waited || e.What == Waiting }
		r := Apply(t.Context(), c, topology(4), o)
		if r.Sync() != InSync || r.Err != nil || !waited {
			t.Errorf("ends %s, error %v, holds %v, waited %v", r.Sync(), r.Err, r.Plan.Holds, waited)
		}
		if c.looks > 40 {
			t.Errorf("looked %d times in two minutes", c.looks)
		}
	})
}

func TestPatienceEndsInAHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.silence("a-1")
		begun := time.Now()
		o := anything()
		o.Patience = 3 * time.Minute
		r := Apply(t.Context(), c, topology(3), o)
		if r.Err != nil || !has(r, plan.NoProgress) || !has(r, plan.NodeSilent) || r.Sync() != Held {
			t.Errorf("ends %s, error %v, holds %v", r.Sync(), r.Err, r.Plan.Holds)
		}
		if took := time.Since(begun); took != o.Patience {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestAStepMayTakeLongWhileItComesFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		c.do = func(ctx context.Context, stage []plan.Step, report func(plan.Progress)) error {
			for n := range 60 {
				select {
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-time.After(time.Minute):
					report(plan.Progress{Step: stage[0], Done: n, Total: 60})
				}
			}
			c.perform(stage...)
			return nil
		}
		if r := Apply(t.Context(), c, topology(4), anything()); r.Sync() != InSync || r.Err != nil {
			t.Errorf("ends %s, error %v, holds %v", r.Sync(), r.Err, r.Plan.Holds)
		}
	})
}

func TestAStepThatStandsStillIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		c.do = func(ctx context.Context, stage []plan.Step, report func(plan.Progress)) error {
			for ctx.Err() == nil {
				time.Sleep(time.Second)
				report(plan.Progress{Step: stage[0], Done: 1, Total: 60})
			}
			return ctx.Err()
		}
		begun := time.Now()
		r := Apply(t.Context(), c, topology(4), anything())
		if !has(r, plan.NoProgress) || r.Err != nil || len(r.Failed) == 0 || len(r.Done) > 0 {
			t.Errorf("error %v, holds %v, failed %v, done %v", r.Err, r.Plan.Holds, r.Failed, r.Done)
		}
		if took := time.Since(begun); took < DefaultPatience || took > DefaultPatience+5*time.Second {
			t.Errorf("cut off after %s", took)
		}
		if c.tidies != 1 || c.unlocks != 1 {
			t.Errorf("%d tidies, %d unlocks", c.tidies, c.unlocks)
		}
	})
}

// A server may take a value and make another of it: CONFIG SET hz 100000 is
// answered with OK, and hz is 500 then.
func TestAStepThatEndsAndChangesNothingIsNotDoneForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		tried := 0
		c.do = func(_ context.Context, stage []plan.Step, report func(plan.Progress)) error {
			tried++
			for _, s := range stage {
				report(plan.Progress{Step: s, Done: 1, Total: 1})
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r := Apply(ctx, c, topology(4), anything())
		if !has(r, plan.NoProgress) || r.Err != nil || tried < 2 || len(r.Done) > 0 {
			t.Fatalf("tried %d times, error %v, holds %v, done %v", tried, r.Err, r.Plan.Holds, r.Done)
		}
		if text := r.Plan.Holds[len(r.Plan.Holds)-1].Text; !strings.Contains(text, "done and still wanted: Meet a-2") {
			t.Errorf("the hold does not say what was done in vain: %s", text)
		}
	})
}

func TestARunThatRanOutOfPatienceSaysWhatItMetLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		c.do = func(ctx context.Context, _ []plan.Step, _ func(plan.Progress)) error {
			return errors.Join(errors.New("meet a-2: port taken"), ctx.Err())
		}
		o := anything()
		o.Patience = 3 * time.Second
		r := Apply(t.Context(), c, topology(4), o)
		if !has(r, plan.NoProgress) {
			t.Fatalf("error %v, holds %v", r.Err, r.Plan.Holds)
		}
		if text := r.Plan.Holds[len(r.Plan.Holds)-1].Text; !strings.HasSuffix(text, "came short: meet a-2: port taken") {
			t.Errorf("the hold does not say what went wrong: %s", text)
		}
	})
}

func TestAFailedStageIsTriedAgainAndNotForEver(t *testing.T) {
	broken := errors.New("meet a-2: connection reset")
	for _, c := range []struct {
		name  string
		fails int
		end   Sync
	}{{"it passes", 3, InSync}, {"it stays", 1 << 30, OutOfSync}} {
		synctest.Test(t, func(t *testing.T) {
			r := three(t, "a-2", "b-2")
			tried := 0
			r.do = func(_ context.Context, stage []plan.Step, _ func(plan.Progress)) error {
				if tried++; tried <= c.fails {
					return broken
				}
				r.perform(stage...)
				return nil
			}
			begun := time.Now()
			result := Apply(t.Context(), r, topology(4), anything())
			if took := time.Since(begun); took < 3*time.Second {
				t.Errorf("%s: servers got no rest between the tries: it took %s", c.name, took)
			}
			if result.Sync() != c.end || (c.end != InSync) != errors.Is(result.Err, broken) {
				t.Errorf("%s: ends %s, error %v", c.name, result.Sync(), result.Err)
			}
			if c.end != InSync && (tried != tries || len(result.Failed) != 2 || len(result.NotStarted()) == 0) {
				t.Errorf("%s: tried %d times, failed %v, not started %v", c.name, tried, result.Failed, result.NotStarted())
			}
		})
	}
}

// A step that a hold hides is not a step that was done.
func TestAFailedStepWhoseNodeFellSilentIsNotCalledDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		c.do = func(context.Context, []plan.Step, func(plan.Progress)) error {
			c.silence("a-2")
			c.silence("b-2")
			return errors.New("meet a-2: connection reset")
		}
		r := Apply(t.Context(), c, topology(4), anything())
		if !has(r, plan.NodeSilent) || len(r.Done) > 0 || len(r.Failed) != 2 {
			t.Errorf("holds %v, done %v, failed %v", r.Plan.Holds, r.Done, r.Failed)
		}
	})
}

func TestBeingStoppedLeavesAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		ctx, stop := context.WithCancel(t.Context())
		c.do = func(ctx context.Context, stage []plan.Step, report func(plan.Progress)) error {
			if stage[0].Kind != plan.Move {
				c.perform(stage...)
				return nil
			}
			c.perform(stage[0])
			report(plan.Progress{Step: stage[0], Done: 1366, Total: 1366})
			stop()
			<-ctx.Done()
			return ctx.Err()
		}
		r := Apply(ctx, c, topology(4), anything())
		if !errors.Is(r.Err, context.Canceled) {
			t.Errorf("error %v", r.Err)
		}
		if len(r.Done) != 4 || len(r.Failed) != 2 || len(r.NotStarted()) != 0 {
			t.Errorf("done\n%s\nfailed\n%s\nnot started\n%s", texts(r.Done), texts(r.Failed), texts(r.NotStarted()))
		}
		if c.tidies != 1 || c.unlocks != 1 {
			t.Errorf("%d tidies, %d unlocks", c.tidies, c.unlocks)
		}
		again := Apply(t.Context(), &rehearsal{now: c.now}, topology(4), Options{Approval: Exactly(plan.Make(topology(4), three(t, "a-2", "b-2").now))})
		if again.Sync() != InSync {
			t.Errorf("run again it ends %s: %v", again.Sync(), again.Plan.Holds)
		}
	})
}

// Members may look silent only because the run was stopped while it asked.
func TestWhatIsSeenWhileBeingStoppedIsNotBelieved(t *testing.T) {
	c := three(t)
	ctx, stop := context.WithCancel(t.Context())
	c.whenSeen = func() { stop(); c.silence("a-0") }
	r := Apply(ctx, c, topology(3), anything())
	if r.Observed || !errors.Is(r.Err, context.Canceled) || r.Sync() != Unknown {
		t.Errorf("observed %v, error %v, ends %s", r.Observed, r.Err, r.Sync())
	}
}

func TestOnlyOneRunActs(t *testing.T) {
	c := three(t, "a-2", "b-2")
	c.holder = "laptop:4711"
	r := Apply(t.Context(), c, topology(4), anything())
	if !has(r, plan.Busy) || r.Err != nil || len(c.did) > 0 {
		t.Errorf("error %v, holds %v, did %v", r.Err, r.Plan.Holds, c.did)
	}
	if text := r.Plan.Holds[0].Text; !strings.Contains(text, "laptop:4711") {
		t.Errorf("the hold does not say who acts: %s", text)
	}
}

// Between the first look and the lock another run may have acted.
func TestThePlanIsMadeAnewUnderTheLock(t *testing.T) {
	c := three(t, "a-2", "b-2")
	c.whenSeen = func() {
		if c.looks == 2 {
			for _, s := range plan.Make(topology(4), c.now).Steps {
				c.now = s.Effect(c.now)
			}
		}
	}
	r := Apply(t.Context(), c, topology(4), anything())
	if r.Sync() != InSync || len(c.did) > 0 || c.locks != 1 || c.unlocks != 1 {
		t.Errorf("ends %s, did\n%s", r.Sync(), texts(c.did))
	}
}

func TestTwoHandsDoNotFightForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		before := c.now
		c.whenSeen = func() {
			if c.looks%3 == 0 {
				c.now = before
			}
		}
		r := Apply(t.Context(), c, topology(4), anything())
		if !has(r, plan.NoProgress) || r.Err != nil {
			t.Errorf("error %v, holds %v", r.Err, r.Plan.Holds)
		}
	})
}

func TestACloudThatCannotBeAsked(t *testing.T) {
	gone := errors.New("list pods: forbidden")
	c := three(t)
	c.unseen = gone
	r := Apply(t.Context(), c, topology(3), anything())
	if !errors.Is(r.Err, gone) || r.Sync() != Unknown || c.looks != 1 {
		t.Errorf("at the start: error %v, ends %s after %d looks", r.Err, r.Sync(), c.looks)
	}
	synctest.Test(t, func(t *testing.T) {
		c := three(t, "a-2", "b-2")
		c.whenSeen = func() {
			c.unseen = nil
			if c.looks > 2 && c.looks < 6 {
				c.unseen = gone
			}
		}
		if r := Apply(t.Context(), c, topology(4), anything()); r.Sync() != InSync || r.Err != nil {
			t.Errorf("in the middle: ends %s, error %v", r.Sync(), r.Err)
		}
	})
}

// A run that ends before masters may come back says so at once, and what to do.
func TestARunThatIsTooShortForMastersToComeBackSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := seats(t, "a-0 of b-1", "a-1 of c-0", "b-0 5462-10922", "b-1 0-5461", "c-0 10923-16383", "c-1 of b-0")
		o := anything()
		o.Quiet, o.Patience = time.Minute, 30*time.Second
		begun := time.Now()
		r := Apply(t.Context(), c, topology(3), o)
		if len(r.Plan.Holds) != 1 || r.Plan.Holds[0].Code != plan.FailbackWaits || !strings.Contains(r.Plan.Holds[0].Text, "this run waits for 30s at most") {
			t.Errorf("the holds are %+v, error %v", r.Plan.Holds, r.Err)
		}
		if took := time.Since(begun); took > time.Second || len(r.Done) > 0 {
			t.Errorf("it did %v in %s", r.Done, took)
		}
	})
}

func TestMastersComeBackOnlyAfterAQuietTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := seats(t, "a-0 of b-1", "a-1 of c-0", "b-0 5462-10922", "b-1 0-5461", "c-0 10923-16383", "c-1 of b-0")
		begun := time.Now()
		c.whenSeen = func() { // a-0 restarts once more
			if at := time.Since(begun); at > 10*time.Second && at < 20*time.Second {
				c.silence("a-0")
			} else {
				c.wake("a-0")
			}
		}
		promoted := time.Duration(0)
		c.do = func(_ context.Context, stage []plan.Step, _ func(plan.Progress)) error {
			promoted = time.Since(begun)
			c.perform(stage...)
			return nil
		}
		o := anything()
		o.Quiet = 30 * time.Second
		if r := Apply(t.Context(), c, topology(3), o); r.Sync() != InSync || promoted < 50*time.Second {
			t.Errorf("ends %s, holds %v, promoted after %s", r.Sync(), r.Plan.Holds, promoted)
		}
	})
}
