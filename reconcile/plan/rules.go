package plan

import (
	"cmp"
	"slices"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// rules are the classes of steps in their order: finish what a dead run left
// open, add before anything moves, move before anything leaves, and put back
// what was borrowed last. The first rule with a step that may run gives the
// stage; then the rules are asked again from the top, on the state that the
// stage leaves.
var rules = []rule{
	{"close", (*draft).closeOpen},
	{"furnish", (*draft).furnish},
	{"start", (*draft).start},
	{"meet", (*draft).meet},
	{"configure", (*draft).configure},
	{"assign", (*draft).assign},
	{"follow blank", (*draft).followBlank},
	{"follow early", (*draft).followEarly},
	{"found", (*draft).resetFounders},
	{"move", (*draft).move},
	{"promote", (*draft).promote},
	{"follow live", (*draft).followLive},
	{"forget replicas", (*draft).forgetReplicas},
	{"forget masters", (*draft).forgetMasters},
	{"stop", (*draft).stop},
	{"restart", (*draft).restart},
	{"put back", (*draft).putBack},
}

// rule plans the steps of one class that may run now. What it wants and may
// not do, it holds; what an earlier class must do first, it leaves out.
type rule struct {
	name string
	plan func(*draft) []Step
}

// Make plans from seen to want. Promises, all held by tests: at the goal the
// plan is empty; following all effects reaches the goal; after any part of a
// stage's work is done, Rest gives the rest of the same plan; every slot that
// was served stays served on every prefix; no step removes a node without
// proof; the same input gives the same plan.
func Make(want spec.Topology, seen cluster.State) Plan {
	return newDraft(want, seen, false).make()
}

// Rest plans the rest of a change that has begun: as Make, but slots go to
// their exact targets. The tolerance decides only whether moving starts.
func Rest(want spec.Topology, seen cluster.State) Plan {
	return newDraft(want, seen, true).make()
}

func (d *draft) make() Plan {
	p := Plan{Cluster: d.want.Name}
	switch {
	case d.want.Suspend:
		p.Goal.End = isLeftAsItIs
		p.Holds = []Hold{{Why: Ask, Code: Suspended, Text: "the topology says suspend: true", Lift: "remove suspend"}}
		return p
	case len(d.elsewhere()) > 0:
		p.Goal.End = isLeftAsItIs
		p.Holds = d.elsewhere()
		return p
	case d.want.State == spec.Absent:
		p.Goal.End = wouldDelete
		if d.mayDelete() {
			p.Goal.End = deletes
		}
		p.Steps = d.destroy()
		p.Holds = d.holds
		return p
	}
	d.choose()
	p.Goal = d.goal()
	p.Notes = d.notes()
	p.Steps = d.walk()
	p.Unmeasured = d.unmeasured
	p.Goal.Shards = d.goalShards()
	p.Holds = tidyHolds(append(d.holds, d.problems()...))
	if note := p.misfit(d.want.Allow.Plan); note != "" {
		p.Notes = append(p.Notes, note)
	}
	return p
}

// walk asks the rules until none has a step left. Every step brings its node
// or slots to where the aim has them and none leads back, so it ends; the
// bound is for bugs only.
func (d *draft) walk() []Step {
	var out []Step
	for stage := 1; stage <= 8*len(d.now.Nodes)+32; stage++ {
		d.holds = d.holds[:0]
		steps := d.next()
		if len(steps) == 0 {
			return out
		}
		for i := range steps {
			steps[i].Stage = stage
			steps[i].apply(&d.now)
		}
		out = append(out, steps...)
		d.look()
		d.follow()
		if steps[0].Kind == Restart {
			d.chooseLeaders(d.aim.shards) // a master that was relieved may lead again
		}
	}
	return out
}

func (d *draft) next() []Step {
	for _, r := range rules {
		if steps := r.plan(d); len(steps) > 0 {
			return steps
		}
	}
	return nil
}

// follow notices who leads the aim's shards now. A new shard is its founder's
// until it serves slots, whomever the founder follows still.
func (d *draft) follow() {
	for _, list := range [][]*shard{d.aim.shards, d.aim.drain} {
		for _, s := range list {
			if s.fresh = s.fresh && d.have[s.master] == 0; !s.fresh {
				s.master = d.root(s.master)
			}
		}
	}
}

// tidyHolds sorts, and keeps one hold of a code for each node: what a rule says
// of it before what can be said in general.
func tidyHolds(holds []Hold) []Hold {
	slices.SortStableFunc(holds, func(a, b Hold) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Node, b.Node))
	})
	return slices.CompactFunc(holds, func(a, b Hold) bool {
		return a.Code == b.Code && a.Node == b.Node && (a.Node != "" || a.Text == b.Text)
	})
}
