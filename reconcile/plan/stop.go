package plan

import (
	"fmt"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// stop ends the processes of nodes that left the cluster, where the platform
// made them. Their data is kept.
func (d *draft) stop() []Step {
	if !makes(d.want) || !d.now.Formed || d.aim.frozen {
		return nil
	}
	var out []Step
	for i := range d.now.Nodes {
		if n := d.node(i); !n.Listed && n.Before && n.Exists && !n.Member && d.outsider(i) {
			out = append(out, Step{Kind: Stop, Node: n.Name, Reason: "it left the cluster"})
		}
	}
	return out
}

// outsider is the proof that the node outside is nobody's: all slots are
// served by members that answer and agree, none of them knows it, and if it
// answers, it holds nothing.
func (d *draft) outsider(i int) bool {
	n := d.node(i)
	if !d.agreed() || !d.seatsUp() || !d.ownersUp() || !d.unserved.Empty() {
		return false
	}
	if d.up(i) && (n.Foreign || n.Keys != 0 || d.have[i] > 0) {
		d.hold(Hold{
			Why: Stuck, Code: NotEmpty, Node: n.Name,
			Text: fmt.Sprintf("%s left the cluster and still holds %s, so it is left running", n.Name, keysText(n.Keys)),
			Lift: "look at the keys there and stop it by hand",
		})
		return false
	}
	return true
}

// destroy removes the whole cluster with its data: state: Absent.
func (d *draft) destroy() []Step {
	switch {
	case !d.exists():
		return nil
	case !makes(d.want):
		d.hold(Hold{
			Why: Stuck, Code: Deletion, Text: "the servers of a fixed inventory are not slotwright's to delete",
			Lift: "shut them down yourself and take the file away",
		})
		return nil
	case !owns(d.want):
		d.hold(Hold{
			Why: Stuck, Code: Deletion, Text: "the StatefulSet was adopted, and is not slotwright's to delete",
			Lift: "delete it where it comes from and take the file away",
		})
		return nil
	case !d.mayDelete():
		d.hold(Hold{
			Why: Ask, Code: Deletion, Text: fmt.Sprintf("state: Absent deletes %s and all its data", d.want.Name),
			Lift: "allow.delete: " + d.want.Name,
		})
		return nil
	}
	reason, kept := "the cluster is to be absent", d.keeps()
	if kept {
		reason += "; the claims with its data are kept"
	}
	var out []Step
	for i := range d.now.Nodes {
		if n := d.node(i); n.Listed || n.Before {
			out = append(out, Step{Stage: 1, Kind: Destroy, Node: n.Name, Keys: n.Keys, Kept: kept, Reason: reason})
		}
	}
	return out
}

// keeps reports whether the data outlives the nodes.
func (d *draft) keeps() bool {
	k := d.want.Platform.Kubernetes
	return k != nil && k.Storage.Size != "" && k.Storage.WhenDeleted != spec.Delete
}

func (d *draft) mayDelete() bool { return d.want.Allow.Delete == d.want.Name }

func (d *draft) exists() bool {
	for i := range d.now.Nodes {
		if n := d.node(i); n.Exists && (n.Listed || n.Before) {
			return true
		}
	}
	return false
}

func (s *Step) stopped(now *cluster.State) {
	if n := find(now, s.Node); n != nil {
		*n = cluster.Node{
			Name: n.Name, Addr: n.Addr, Zone: n.Zone, Host: n.Host, Listed: n.Listed, Before: n.Before,
			Health: cluster.Absent, Keys: cluster.Unknown, Lag: cluster.Unknown,
		}
	}
}
