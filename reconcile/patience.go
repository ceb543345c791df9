package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// advance notes progress.
func (l *line) advance() { l.last, l.fails, l.pauses = time.Now(), 0, 0 }

// left is what is left of the patience.
func (l *line) left() time.Duration { return max(0, l.o.Patience-time.Since(l.last)) }

// pause waits longer each time nothing moved, from half a second to ten, and
// no longer than patience lasts. It reports whether to go on.
func (l *line) pause(ctx context.Context) bool {
	const first, longest = 500 * time.Millisecond, 10 * time.Second
	wait := min(first<<min(l.pauses, 5), longest, l.left())
	l.pauses++
	if wait == 0 {
		l.tired = true
		return false
	}
	select {
	case <-ctx.Done():
		l.stopped(ctx)
		return false
	case <-time.After(wait):
		return true
	}
}

// tooFresh reports whether the run would begin with bringing masters back, and
// the members have not been quiet for long enough: one that restarts again and
// again must not take its slots back each time.
func (l *line) tooFresh() bool {
	if len(l.deeds) > 0 || len(l.plan.Steps) == 0 || time.Since(l.last) >= l.o.Quiet {
		return false
	}
	for _, s := range l.plan.First() {
		from := l.seen.Node(s.From)
		if s.Kind != plan.Promote || from == nil || !from.Listed {
			return false
		}
	}
	return true
}

// tooShort is the hold of a run that ends before masters may come back.
func (l *line) tooShort() plan.Hold {
	s := l.plan.First()[0]
	return plan.Hold{
		Why: plan.Wait, Code: plan.FailbackWaits, Node: s.Node,
		Text: fmt.Sprintf("%s should lead instead of %s, once nothing has changed for %s; this run waits for %s at most", s.Node, s.From, l.o.Quiet, l.o.Patience),
		Lift: "give it more time (--timeout), or make it bring masters back sooner (--failback-after)",
	}
}

// alike reports whether two plans leave the same to do, for the same reasons.
// Texts and estimates may differ: clients write all the time.
func alike(a, b plan.Plan) bool {
	if len(a.Steps) != len(b.Steps) || len(a.Holds) != len(b.Holds) {
		return false
	}
	for i, s := range a.Steps {
		if t := b.Steps[i]; deedOf(s) != deedOf(t) || s.Slots != t.Slots {
			return false
		}
	}
	for i, h := range a.Holds {
		if g := b.Holds[i]; h.Code != g.Code || h.Node != g.Node {
			return false
		}
	}
	return true
}

// stopped notes that ctx ended the run.
func (l *line) stopped(ctx context.Context) {
	l.err = fmt.Errorf("stopped: %w", context.Cause(ctx))
}

// tries is how many failures in a row, without progress between, end a run.
const tries = 6

// tooOften counts a failure and reports whether it ends the run.
func (l *line) tooOften(err error, tries int) bool {
	if l.fails++; l.fails < tries {
		return false
	}
	l.err = err
	return true
}

var errNoProgress = errors.New("no progress")

func (l *line) noProgress() plan.Hold {
	return plan.Hold{
		Why:  plan.Wait,
		Code: plan.NoProgress,
		Text: fmt.Sprintf("nothing changed for %s", l.o.Patience) + l.stumble(),
		Lift: "look at the other holds; run again to wait longer, or raise --timeout",
	}
}

// stumble is what a run that got no further met last.
func (l *line) stumble() string {
	if l.short != nil {
		return "; the last stage came short: " + strings.ReplaceAll(l.short.Error(), "\n", "; ")
	}
	var vain []string
	for _, d := range l.order {
		if l.deeds[d].vain {
			vain = append(vain, d.String())
		}
	}
	if len(vain) == 0 {
		return ""
	}
	return "; done and still wanted: " + Listed(vain)
}

func busy(holder string) plan.Hold {
	return plan.Hold{
		Why:  plan.Wait,
		Code: plan.Busy,
		Text: "another run is acting on this cluster: " + holder,
		Lift: "run again when that one has ended",
	}
}
