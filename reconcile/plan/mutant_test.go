package plan

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// mutants are deliberate bugs, one for each promise. A property that lets its
// mutant live proves nothing, so every run of the tests tries them all.
var mutants = []struct {
	bug    string
	plan   map[string]func(*draft) []Step // instead of the rule of that name
	first  string                         // or: this rule comes before all others
	caught func(seed uint64) error        // by this property
}{
	{bug: "a replica leaves without proof", plan: map[string]func(*draft) []Step{"forget replicas": forgetAnyReplica}, caught: survives},
	{bug: "a master leaves without its own answer", plan: map[string]func(*draft) []Step{"forget masters": forgetAnyMaster}, caught: survives},
	{bug: "nodes leave before their slots have moved", first: "forget replicas", plan: map[string]func(*draft) []Step{"forget replicas": forgetAnyReplica}, caught: reaches},
	{bug: "live replicas move all at once", plan: map[string]func(*draft) []Step{"follow live": followAllAtOnce}, caught: reaches},
	{bug: "slots move while an owner is silent", plan: map[string]func(*draft) []Step{"move": moveRegardless}, caught: survives},
	{bug: "a replica out of sync takes over", plan: map[string]func(*draft) []Step{"promote": promoteAny}, caught: survives},
	{bug: "slots are claimed while a member is silent", plan: map[string]func(*draft) []Step{"assign": assignRegardless}, caught: survives},
	{bug: "nodes that hold keys are met", plan: map[string]func(*draft) []Step{"meet": meetAny}, caught: survives},
	{bug: "a replica is blanked without proof", plan: map[string]func(*draft) []Step{"found": foundRegardless}, caught: survives},
	{bug: "masters are never brought back", plan: map[string]func(*draft) []Step{"promote": none}, caught: reaches},
	{bug: "half-moved slots stay open", plan: map[string]func(*draft) []Step{"close": none}, caught: closes},
	{bug: "slots without owner stay so", plan: map[string]func(*draft) []Step{"assign": none}, caught: reaches},
}

func TestMutantsAreCaught(t *testing.T) {
	right := rules
	defer func() { rules = right }()
	for _, m := range mutants {
		rules = slices.Clone(right)
		for i, r := range rules {
			if plan := m.plan[r.name]; plan != nil {
				rules[i].plan = plan
			}
		}
		if m.first != "" {
			i := slices.IndexFunc(rules, func(r rule) bool { return r.name == m.first })
			rules = append([]rule{rules[i]}, slices.Delete(rules, i, i+1)...)
		}
		if !caught(m.caught) {
			t.Errorf("nothing noticed that %s", m.bug)
		}
	}
}

func caught(property func(seed uint64) error) bool {
	for seed := range uint64(3000) {
		if property(seed) != nil {
			return true
		}
	}
	return false
}

// closes holds that no slot is half-moved at the end of a plan without holds.
func closes(seed uint64) error {
	want, now := troubled(seed)
	if p := Make(want, now); len(p.Holds) == 0 && len(after(now, p.Steps).Open) > 0 {
		return errOpen
	}
	return nil
}

const errOpen = openError("slots are open at the end")

type openError string

func (e openError) Error() string { return string(e) }

func none(*draft) []Step { return nil }

func forgetAnyReplica(d *draft) (out []Step) {
	for i := range d.now.Nodes {
		if d.goes(i) && d.lead[i] != itself {
			out = append(out, d.forgetStep(i))
		}
	}
	return out
}

func forgetAnyMaster(d *draft) (out []Step) {
	for i := range d.now.Nodes {
		if d.goes(i) && d.lead[i] == itself && d.have[i] == 0 {
			out = append(out, d.forgetStep(i))
		}
	}
	return out
}

func followAllAtOnce(d *draft) (out []Step) {
	for _, i := range d.strayed() {
		out = append(out, d.followStep(i, d.shardOf(i), ""))
	}
	return out
}

func moveRegardless(d *draft) (out []Step) {
	for i := range d.now.Nodes {
		if d.have[i] > 0 && !d.stranger(i) && !d.aim.frozen {
			out = append(out, d.movesFrom(i)...)
		}
	}
	return out
}

func promoteAny(d *draft) []Step {
	for _, s := range d.aim.shards {
		if s.leader != s.master && d.lead[s.leader] == s.master && d.have[s.master] > 0 {
			return []Step{d.promoteStep(s, true)}
		}
	}
	return nil
}

func assignRegardless(d *draft) (out []Step) {
	for _, s := range d.aim.shards {
		if slots := s.slots.Intersect(d.unserved); !slots.Empty() && d.lead[s.master] == itself {
			out = append(out, Step{Kind: Assign, Node: d.name(s.master), Slots: slots})
		}
	}
	return out
}

func meetAny(d *draft) (out []Step) {
	for i := range d.now.Nodes {
		if n := d.node(i); n.Listed && !n.Member && d.up(i) {
			out = append(out, Step{Kind: Meet, Node: n.Name})
		}
	}
	return out
}

func foundRegardless(d *draft) (out []Step) {
	for _, s := range d.aim.shards {
		if i := s.founderNode(d); i != nowhere {
			out = append(out, Step{Kind: Reset, Node: d.name(i)})
		}
	}
	return out
}

// TestTheScanTestBites gives redis-cli's way of choosing slots to the test of
// the scan: the lowest slots of whoever has too many go to whoever lacks most.
func TestTheScanTestBites(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		owner := fragments(r, 5)
		goal := lowestFirst(owner, 5)
		for n := range owner {
			if r.IntN(2) == 0 {
				owner[n] = goal[n]
			}
		}
		if !slices.Equal(lowestFirst(owner, 5), goal) {
			return
		}
	}
	t.Error("an unstable choice of slots passes for stable")
}

func lowestFirst(owner []int, shards int) []int {
	have := counts(owner, shards)
	target := targets(have, slices.Repeat([]int{1}, shards), len(owner))
	out := slices.Clone(owner)
	for n, o := range out {
		if o >= 0 && have[o] <= target[o] {
			continue
		}
		to := slices.MaxFunc([]int{0, 1, 2, 3, 4}, func(a, b int) int {
			return (target[a] - have[a]) - (target[b] - have[b])
		})
		if o >= 0 {
			have[o]--
		}
		have[to]++
		out[n] = to
	}
	return out
}
