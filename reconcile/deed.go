package reconcile

import (
	"fmt"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// deed is what a step does, apart from how much of it is left: the rest of an
// interrupted Move is the same deed.
type deed struct {
	kind           plan.Kind
	node, from, to string
}

func deedOf(s plan.Step) deed { return deed{s.Kind, s.Node, s.From, s.To} }

// String is the deed in short: its kind and whom it is about.
func (d deed) String() string {
	text := string(d.kind)
	if d.kind == plan.Close && d.from == d.to {
		return text + " back at " + d.to
	}
	if d.node != "" {
		text += " " + d.node
	}
	if d.from != "" {
		text += " from " + d.from
	}
	if d.to != "" {
		text += " to " + d.to
	}
	return text
}

// record is what a run knows of a deed it began.
type record struct {
	step     plan.Step
	far      plan.Progress
	finished bool // it ended without an error, or reported its end
	vain     bool // it was finished before, and is wanted exactly as it was
	gone     bool // and the next plan did not want it any more
	again    int  // and a later plan did
}

func (l *line) begin(stage []plan.Step) {
	for _, s := range stage {
		r := l.deeds[deedOf(s)]
		if r == nil {
			r = &record{}
			l.deeds[deedOf(s)] = r
			l.order = append(l.order, deedOf(s))
		}
		r.vain = r.finished && r.step.Slots == s.Slots
		r.step, r.far, r.finished = s, plan.Progress{}, false
	}
}

func (l *line) finish(stage []plan.Step) {
	for _, s := range stage {
		l.deeds[deedOf(s)].finished = true
	}
}

// further reports whether p is news of its step. That a deed done in vain was
// done once more is none, or a run would do it for ever: a server may take a
// value and make another of it. It needs l.mu.
func (l *line) further(p plan.Progress) bool {
	r := l.deeds[deedOf(p.Step)]
	if r == nil {
		return false
	}
	old := r.far
	r.far = p
	r.finished = p.Total > 0 && p.Done >= p.Total
	return p.Done != old.Done && !r.vain || p.Keys != old.Keys || p.Bytes != old.Bytes
}

// mark compares the plan at hand with what was done. It holds, and reports
// false, when a step was done and is wanted again too often: somebody else
// changes this cluster, and doing it once more would go on for ever.
func (l *line) mark() bool {
	const often = 3
	wanted := l.wanted()
	for _, d := range l.order {
		r := l.deeds[d]
		switch {
		case !wanted[d] && r.finished:
			r.gone = true
		case wanted[d] && r.gone:
			r.gone = false
			r.again++
		}
		if r.again >= often {
			return l.hold(plan.Hold{
				Why:  plan.Stuck,
				Code: plan.NoProgress,
				Node: d.node,
				Text: fmt.Sprintf("%s was done %d times and is wanted again", d, often),
				Lift: l.remedy(d),
			})
		}
	}
	return true
}

// remedy is what lifts the hold of a deed that does not last. A server that is
// met again and again at an address others don't know it by announces another.
func (l *line) remedy(d deed) string {
	if n := l.seen.Node(d.node); d.kind == plan.Meet && n != nil {
		return fmt.Sprintf("look at CLUSTER NODES: where members know %s by another address than %s, set cluster-announce-ip on it; "+
			"else find who else changes this cluster", d.node, n.Addr)
	}
	return "find who else changes this cluster, then run again"
}

func (l *line) wanted() map[deed]bool {
	out := map[deed]bool{}
	for _, s := range l.plan.Steps {
		out[deedOf(s)] = true
	}
	return out
}
