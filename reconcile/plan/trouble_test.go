package plan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

// troubled is a random world in which something is wrong: nodes silent, failed
// or loading, replicas out of sync, views that disagree, strangers, lost or
// half-moved slots, new nodes that hold keys.
func troubled(seed uint64) (spec.Topology, cluster.State) {
	want, now := world(seed)
	r := rand.New(rand.NewPCG(seed, 5))
	for i := range now.Nodes {
		n := &now.Nodes[i]
		if r.IntN(5) > 0 || !n.Exists {
			continue
		}
		switch r.IntN(8) {
		case 0, 1:
			n.Health, n.Keys, n.Lag, n.Linked = cluster.Silent, cluster.Unknown, cluster.Unknown, false
		case 2:
			n.Health, n.Keys, n.Lag, n.Linked = cluster.Failed, cluster.Unknown, cluster.Unknown, false
		case 3:
			n.Health, n.Keys = cluster.Loading, cluster.Unknown
		case 4:
			n.Linked = false
		case 5:
			n.Before = n.Before && n.Listed
		case 6:
			n.Foreign = !n.Member
			n.Keys = max(n.Keys, 7)
		case 7:
			n.Slots.Remove(r.IntN(slot.Count))
		}
	}
	if r.IntN(8) == 0 {
		now.Split = []string{"views differ"}
	}
	if r.IntN(4) == 0 {
		open(r, &now)
	}
	if r.IntN(3) == 0 {
		lost := now.Unserved()
		want.Allow.DataLoss = &lost
	}
	return want, now
}

// open leaves some slots half-moved between two members.
func open(r *rand.Rand, now *cluster.State) {
	from, to := &now.Nodes[r.IntN(len(now.Nodes))], &now.Nodes[r.IntN(len(now.Nodes))]
	if from.Name == to.Name || !to.Member {
		return
	}
	for n := range from.Slots.Each() {
		if r.IntN(500) == 0 {
			o := cluster.Open{Slot: n, At: from.Name, Peer: to.Name}
			if to.Master == "" && r.IntN(3) == 0 { // the marks are gone
				o = cluster.Open{Slot: n, At: to.Name, Peer: from.Name, Importing: true, Stray: 1}
			}
			now.Open = append(now.Open, o)
		}
	}
}

// TestTroubleNeverLosesAnything takes every step of plans made in trouble:
// each is safe on what was known when it was planned.
func TestTroubleNeverLosesAnything(t *testing.T) {
	hold(t, survives)
}

func survives(seed uint64) error {
	want, now := troubled(seed)
	p := Make(want, now)
	for range 4 { // a tie may tip once the first plan is done
		for _, s := range p.Steps {
			next := s.Effect(now)
			if err := errors.Join(dares(now, s), safe(want, now, next, s)); err != nil {
				return fmt.Errorf("%s: %w\n%s", s, err, printed(p))
			}
			now = next
		}
		if p = next(want, now, p); len(p.Steps) == 0 {
			break
		}
	}
	if len(p.Steps) > 0 {
		return fmt.Errorf("it does not end:\n%s", printed(p))
	}
	if len(p.Holds) == 0 {
		return asWanted(want, now)
	}
	return nil
}

// dares says which steps must not be taken on what was seen: the rules of
// silence, disagreement and half-moved slots, written down a second time.
func dares(was cluster.State, s Step) error {
	silentOwner, silentMember := "", ""
	for i := range was.Nodes {
		n := &was.Nodes[i]
		if n.Health != cluster.Up && n.Member {
			silentMember = n.Name
			if n.Slots != (slot.Set{}) {
				silentOwner = n.Name
			}
		}
	}
	for _, name := range []string{s.Node, s.From, s.To} {
		if n := was.Node(name); n != nil && n.Health != cluster.Up && s.Kind != Start && s.Kind != Stop && s.Kind != Forget {
			return fmt.Errorf("%s does not answer", name)
		}
	}
	switch s.Kind {
	case Move, Forget, Reset, Stop, Assign:
		if silentOwner != "" {
			return fmt.Errorf("%s, which owns slots, is silent", silentOwner)
		}
		if len(was.Split) > 0 {
			return fmt.Errorf("the views disagree")
		}
	case Promote, Follow:
		if len(was.Split) > 0 {
			return fmt.Errorf("the views disagree")
		}
	}
	if s.Kind == Assign && silentMember != "" {
		return fmt.Errorf("%s may own the slots and is silent", silentMember)
	}
	return daresMore(was, s)
}

func daresMore(was cluster.State, s Step) error {
	switch s.Kind {
	case Move:
		if len(was.Open) > 0 || was.Unserved() != (slot.Set{}) {
			return fmt.Errorf("slots are open or unserved")
		}
	case Promote:
		if n := was.Node(s.Node); !n.Linked || n.Master != was.Node(s.From).ID {
			return fmt.Errorf("%s is not in sync", s.Node)
		}
		for _, o := range was.Open {
			if o.At == s.From || o.Peer == s.From {
				return fmt.Errorf("slot %d is open there", o.Slot)
			}
		}
	case Meet:
		if n := was.Node(s.Node); n.Foreign || !n.Member && n.Keys != 0 {
			return fmt.Errorf("%s is not empty", s.Node)
		}
	case Forget:
		if n := was.Node(s.Node); n.Health != cluster.Up && (n.Health != cluster.Failed || n.Master == "") {
			return fmt.Errorf("%s is silent, which proves nothing", s.Node)
		}
		if n := was.Node(s.Node); n.Listed {
			return fmt.Errorf("%s is listed", s.Node)
		}
	}
	return nil
}

// TestPermissionsOnlyWithhold takes a permission away: what is still planned is
// part of what was planned with it.
func TestPermissionsOnlyWithhold(t *testing.T) {
	hold(t, func(seed uint64) error {
		want, now := troubled(seed)
		with := Make(want, now)
		want.Allow = spec.Allow{}
		without := Make(want, now)
		allowed := work(with.Steps)
		for key, slots := range work(without.Steps) {
			if all, ok := allowed[key]; !ok || slots.Minus(all) != (slot.Set{}) {
				return fmt.Errorf("%s only without the permission:\n%sand with\n%s", key, printed(without), printed(with))
			}
		}
		// Who leads after restarts depends on how far the plan may go.
		with.Goal.Lost = slot.Set{} // giving up keys is another plan
		if with.Goal.Shards != nil && want.Config == nil && with.Fingerprint() != without.Fingerprint() {
			return fmt.Errorf("the goal differs without the permission")
		}
		return nil
	})
}
