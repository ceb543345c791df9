package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

// problems are the holds that stand whatever the steps: what is seen and not
// as wanted, and no step of ours changes.
func (d *draft) problems() []Hold {
	var out []Hold
	for _, text := range d.now.Split {
		out = append(out, Hold{
			Why: Wait, Code: ViewsDisagree, Text: text,
			Lift: "members usually agree within seconds; if not, look at CLUSTER NODES of those named",
		})
	}
	for i := range d.now.Nodes {
		for _, problem := range []func(int) (Hold, bool){d.trouble, d.misled, d.untold} {
			if h, ok := problem(i); ok {
				out = append(out, h)
			}
		}
	}
	if h, ok := d.misfit(); ok {
		out = append(out, h)
	}
	return append(out, d.fixtures()...)
}

// elsewhere holds everything where the platform knows that the nodes stand at
// another place.
func (d *draft) elsewhere() []Hold {
	for i := range d.now.Nodes {
		if text := d.node(i).Elsewhere; text != "" {
			return []Hold{{
				Why: Stuck, Code: Elsewhere, Text: text,
				Lift: "say that directory again, or remove the cluster there first, or give this one another name",
			}}
		}
	}
	return nil
}

// trouble is what is wrong with node i by its own answer, or silence.
func (d *draft) trouble(i int) (Hold, bool) {
	n := d.node(i)
	switch {
	case !d.concerns(i):
		return Hold{}, false
	case n.Replaced && d.have[i] > 0 && !d.up(i):
		return d.replaced(i), true
	case n.Listed && (n.Twin != "" || n.Foreign):
		return d.stranded(i), true
	case d.silent(i) && !d.stranger(i):
		return d.silence(i), true
	case n.Announced != "" && n.Announced != n.Addr && d.unreachable(i):
		return WrongAddressOf(n.Name, n.Announced, "and "+some(n.Unreached)+" can't reach it there"), true
	case d.stranger(i) && d.have[i] > 0:
		return d.strange(i), true
	case n.Health == cluster.Loading:
		return Hold{Wait, NodeLoading, n.Name, n.Name + " is loading its data", "it goes on when the node has loaded"}, true
	case n.Listed && !n.Member && d.up(i) && (n.Keys != 0 || d.have[i] > 0):
		return Hold{Stuck, NotEmpty, n.Name, fmt.Sprintf("%s is new and has %s already", n.Name, d.belongings(i)), "take it out of the file, or empty the node yourself"}, true
	case n.Uncounted != "":
		return Hold{
			Stuck, Refused, n.Name,
			"whether " + n.Name + " holds keys of slots it does not own can't be told: " + n.Uncounted,
			"permit CLUSTER COUNTKEYSINSLOT and SELECT to the login",
		}, true
	case n.Listed && d.wrongEngine(i):
		return d.engineHold(i), true
	case d.lagging(i):
		return Hold{Wait, NotSynced, n.Name, n.Name + " is not in sync with its master", "it goes on when the replica has caught up"}, true
	}
	return Hold{}, false
}

// misled is about members that would send clients of node i to where it no longer is.
func (d *draft) misled(i int) (Hold, bool) {
	n := d.node(i)
	if len(n.Misled) == 0 || !d.up(i) {
		return Hold{}, false
	}
	return Hold{
		Wait, ViewsDisagree, n.Name, fmt.Sprintf("%s does not know yet that %s is at %s, and sends clients elsewhere", some(n.Misled), n.Name, n.Announced),
		"members usually tell each other within seconds",
	}, true
}

// stranded is about a listed node whose server is another node's, or no blank one.
func (d *draft) stranded(i int) Hold {
	n := d.node(i)
	switch {
	case n.Twin != "":
		return Hold{
			Stuck, SameServer, n.Name, "one server answers as " + n.Twin + " and as " + n.Name,
			"correct the address of one of them, or take it out of the file",
		}
	case n.Alone:
		return Hold{Stuck, NotEmpty, n.Name, n.Name + " is new and claims slots already", "take it out of the file, or empty and reset the node yourself"}
	}
	return Hold{Stuck, OtherCluster, n.Name, n.Name + " belongs to another cluster", "take it out of the file, or reset the node yourself"}
}

// concerns reports whether trouble with node i matters: a member always does,
// a listed node unless it is spare.
func (d *draft) concerns(i int) bool {
	n := d.node(i)
	return n.Member || n.Listed && (d.aim.frozen || d.aim.seat[i] != nowhere || !d.now.Formed)
}

// belongings are what a new node should not have.
func (d *draft) belongings(i int) string {
	if d.have[i] > 0 {
		return plural(d.have[i], "slot")
	}
	return keysText(d.node(i).Keys)
}

// lagging reports whether replica i sits where it belongs and is not linked.
func (d *draft) lagging(i int) bool {
	s := d.shardOf(i)
	return s != nil && d.lead[i] == s.master && d.up(i) && !d.node(i).Linked
}

func (d *draft) silence(i int) Hold {
	n := d.node(i)
	text := n.Name + " does not answer"
	if n.Trouble != "" {
		text += ": " + n.Trouble
	}
	h := Hold{Wait, NodeSilent, n.Name, text, "it goes on when the node answers"}
	if d.leaving[i] {
		h.Text += "; it is to leave, and silence is no proof that nothing is lost with it"
		h.Lift = "bring it back"
		if d.have[i] == 0 && len(d.followers[i]) == 0 {
			h.Lift += ", or, when it is gone for good, allow.forget: [" + n.Name + "]"
			if n.Health == cluster.Failed {
				h.Why = Ask
			}
		}
	}
	return h
}

// replaced is about a master whose address another node took before its replica
// was elected: nobody is, because members do not ping it any more.
func (d *draft) replaced(i int) Hold {
	n := d.node(i)
	h := Hold{
		Why: Stuck, Code: Replaced, Node: n.Name,
		Text: fmt.Sprintf("%s owns %s, and another node answers where it stood, so nobody is elected in its place", n.Name, plural(d.have[i], "slot")),
		Lift: "bring it back with its nodes.conf and its data; CLUSTER FORGET it only when its keys are not needed",
	}
	best := -1
	for _, f := range d.followers[i] {
		if d.up(f) && (best < 0 || d.node(f).Keys > d.node(best).Keys) {
			best = f
		}
	}
	if best >= 0 {
		h.Text += fmt.Sprintf("; its replica %s holds %s", d.name(best), keysText(d.node(best).Keys))
		h.Lift = "CLUSTER FAILOVER TAKEOVER at " + d.name(best) + ", if those are its keys; no CLUSTER FORGET before that: it would leave the slots without an owner"
	}
	return h
}

func (d *draft) wrongEngine(i int) bool {
	n, e := d.node(i), d.want.Engine
	if !d.up(i) || n.Server.Name == "" {
		return false
	}
	fits := e.Version == "" || n.Server.Version == e.Version || strings.HasPrefix(n.Server.Version, e.Version+".")
	return e.Name != "" && n.Server.Name != e.Name || !fits
}

func (d *draft) engineHold(i int) Hold {
	n, e := d.node(i), d.want.Engine
	return Hold{
		Stuck, WrongEngine, n.Name,
		fmt.Sprintf("%s runs %s %s, not %s", n.Name, n.Server.Name, n.Server.Version, strings.TrimSpace(e.Name+" "+e.Version)),
		"install that engine there, or correct spec.engine",
	}
}

// misfit tells why the wanted shape can't be reached.
func (d *draft) misfit() (Hold, bool) {
	if !d.aim.frozen {
		return Hold{}, false
	}
	seats := d.seats()
	zones, nodes := make([]int, len(d.domains)), 0
	for i := range d.now.Nodes {
		if d.seatable(i) {
			zones[d.domain[i]]++
			nodes++
		}
	}
	if nodes < seats {
		return Hold{
			Stuck, NotEnough, "", fmt.Sprintf("%s (%s with %s each) and %s to fill them", plural(seats, "seat"), plural(d.want.Masters, "master"), plural(d.want.ReplicasPerMaster, "replica"), plural(nodes, "node")),
			"list more nodes, or ask for fewer masters or replicas",
		}, true
	}
	return Hold{
		Stuck, ZoneRule, "", d.zoneText(zones, seats),
		"list nodes in more zones, or say zoneSpread: Preferred",
	}, true
}

func (d *draft) zoneText(zones []int, seats int) string {
	filled := 0
	var each []string
	for z, n := range zones {
		filled += min(n, d.want.Masters)
		if n > 0 {
			each = append(each, fmt.Sprintf("%s has %d", d.domains[z], n))
		}
	}
	return fmt.Sprintf("%d of %s can be filled with no two members of a shard in one zone: %s", min(filled, seats), plural(seats, "seat"), strings.Join(each, ", "))
}

// notes are what people should know and nothing waits for.
func (d *draft) notes() []string {
	var out, spare []string
	listed := 0
	for i := range d.now.Nodes {
		n := d.node(i)
		if n.Listed {
			listed++
			if !d.aim.frozen && d.aim.seat[i] == nowhere {
				spare = append(spare, n.Name)
			}
		}
		if n.Remark != "" && !slices.Contains(out, n.Remark) {
			out = append(out, n.Remark)
		}
		if d.stranger(i) {
			out = append(out, n.Name+" is in the cluster and no topology names it: it is left alone"+once(n))
		}
	}
	out = append(out, Remembered(&d.now)...)
	if len(spare) > 0 {
		verb := "stay"
		if len(spare) == 1 {
			verb = "stays"
		}
		out = append(out, fmt.Sprintf("%d of %d nodes %s spare: %s", len(spare), listed, verb, strings.Join(spare, ", ")))
	}
	return append(out, d.stale()...)
}

// stale names permissions that fit nothing any more.
func (d *draft) stale() []string {
	var out []string
	a := d.want.Allow
	if a.ShrinkTo != nil && !(d.aim.shrink && *a.ShrinkTo == d.want.Masters) {
		out = append(out, fmt.Sprintf("allow.shrinkTo: %d permits nothing now and can go", *a.ShrinkTo))
	}
	if a.DataLoss != nil && (*a.DataLoss != d.unserved || d.unserved == (slot.Set{})) {
		out = append(out, fmt.Sprintf("allow.dataLoss: [%s] permits nothing now and can go", a.DataLoss))
	}
	for _, name := range a.Forget {
		if i, ok := d.at[name]; !ok || d.up(i) || !d.goes(i) {
			out = append(out, fmt.Sprintf("allow.forget: [%s] permits nothing now and can go", name))
		}
	}
	if a.Delete != "" && d.want.State != spec.Absent {
		out = append(out, "allow.delete permits nothing while the state is Present and can go")
	}
	return out
}
