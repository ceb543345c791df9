package main

import (
	"slices"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// status is a cluster as status prints it. Its JSON is stable; fields are only
// ever added.
type status struct {
	Cluster     string      `json:"cluster"`
	Health      health      `json:"health"`
	InSync      *bool       `json:"inSync"` // null without a topology to compare with
	SlotsServed int         `json:"slotsServed"`
	Shards      []shardSeen `json:"shards"`
	Others      []nodeSeen  `json:"others"` // nodes in no shard: spare, new, or strangers
	OpenSlots   []openSlots `json:"openSlots"`
	Problems    []string    `json:"problems"`
}

type shardSeen struct {
	Slots     slot.Set   `json:"slots"`
	SlotCount int        `json:"slotCount"`
	Keys      *int64     `json:"keys"` // null when its master did not answer
	Master    nodeSeen   `json:"master"`
	Replicas  []nodeSeen `json:"replicas"`
}

type nodeSeen struct {
	Name     string `json:"name"`
	ID       string `json:"id"`
	Address  string `json:"address"`
	Zone     string `json:"zone"`
	Role     string `json:"role,omitempty"` // of others: spare, new, leaving, stranger or foreign (of another cluster), where that is known
	State    string `json:"state"`
	LinkUp   *bool  `json:"linkUp,omitempty"`   // of replicas
	LagBytes *int64 `json:"lagBytes,omitempty"` // of replicas, where it can be told
}

// statusOf reads a status from the last look of r. compared says that r's plan
// was made for a topology.
func statusOf(r reconcile.Result, compared bool) status {
	s := status{
		Cluster: r.Cluster, Health: untold,
		Shards: []shardSeen{}, Others: []nodeSeen{}, OpenSlots: []openSlots{}, Problems: []string{},
	}
	if !r.Observed {
		s.Problems = append(s.Problems, textOf(r.Err))
		return s
	}
	if compared {
		in := r.Sync() == reconcile.InSync
		s.InSync = &in
	}
	s.members(&r.Seen)
	if compared {
		s.roles(r)
	}
	s.OpenSlots = openOf(r.Seen.Open)
	answered := served(&r.Seen)
	s.SlotsServed = answered.Len()
	if compared && *s.InSync && !r.Seen.Formed {
		s.Health = gone // only a cluster that is to be absent is as wanted without members
		return s
	}
	s.Problems = append(s.Problems, few(problems(&r.Seen))...)
	s.Health = judge(&r.Seen, s.SlotsServed, len(s.Problems) > 0)
	s.Problems = append(s.Problems, plan.Remembered(&r.Seen)...) // the cluster serves as well with them
	return s
}

// members sorts the nodes into shards, by their first slot, and others.
func (s *status) members(seen *cluster.State) {
	for i := range seen.Nodes {
		n := &seen.Nodes[i]
		followers := replicasOf(seen, n.ID)
		switch {
		case n.Master != "" && seen.ByID(n.Master) != nil:
		case n.Slots.Empty() && len(followers) == 0:
			s.Others = append(s.Others, asSeen(n))
		default:
			s.Shards = append(s.Shards, asShard(n, followers))
		}
	}
	slices.SortStableFunc(s.Shards, func(a, b shardSeen) int { return first(a.Slots) - first(b.Slots) })
}

// roles says what the nodes outside the shards are there for.
func (s *status) roles(r reconcile.Result) {
	seated := map[string]bool{}
	for _, shard := range r.Plan.Goal.Shards {
		seated[shard.Leader] = true
		for _, name := range shard.Replicas {
			seated[name] = true
		}
	}
	for i := range s.Others {
		other := &s.Others[i]
		switch n := r.Seen.Node(other.Name); {
		case n.Before && n.Member:
			other.Role = "leaving"
		case !n.Listed:
			other.Role = "stranger"
		case n.Foreign:
			other.Role = "foreign"
		case seated[n.Name]:
			other.Role = "new"
		case len(seated) > 0:
			other.Role = "spare"
		}
	}
}

func asShard(master *cluster.Node, replicas []*cluster.Node) shardSeen {
	out := shardSeen{
		Slots: master.Slots, SlotCount: master.Slots.Len(), Keys: told(master.Keys),
		Master: asSeen(master), Replicas: []nodeSeen{},
	}
	for _, n := range replicas {
		out.Replicas = append(out.Replicas, asSeen(n))
	}
	return out
}

func asSeen(n *cluster.Node) nodeSeen {
	out := nodeSeen{Name: n.Name, ID: n.ID, Address: n.Addr, Zone: n.Zone, State: healthWord(n)}
	if n.Master != "" {
		out.LinkUp, out.LagBytes = &n.Linked, told(n.Lag)
	}
	return out
}

func replicasOf(seen *cluster.State, id string) []*cluster.Node {
	var out []*cluster.Node
	for i := range seen.Nodes {
		if id != "" && seen.Nodes[i].Master == id {
			out = append(out, &seen.Nodes[i])
		}
	}
	return out
}

// first is the lowest slot of a set; a set without one sorts last.
func first(s slot.Set) int {
	for n := range s.Each() {
		return n
	}
	return slot.Count
}

// told is nil for what nobody could tell.
func told(n int64) *int64 {
	if n == cluster.Unknown {
		return nil
	}
	return &n
}

// healthWord is a node's health in a word or two.
func healthWord(n *cluster.Node) string {
	return [...]string{"up", "loading", "not running", "silent", "failed"}[n.Health]
}

// served are the slots whose owner answers.
func served(seen *cluster.State) slot.Set {
	var out slot.Set
	for i := range seen.Nodes {
		if n := &seen.Nodes[i]; n.Health == cluster.Up {
			out = out.Union(n.Slots)
		}
	}
	return out
}
