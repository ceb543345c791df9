package main

import (
	"fmt"
	"strings"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// health says how well a cluster serves, whatever its topology wants.
type health string

// The healths, best first.
const (
	healthy  health = "Healthy"  // every slot is served and nothing is wrong
	degraded health = "Degraded" // every slot is served, and something is wrong
	down     health = "Down"     // some slots have no owner that serves them
	untold   health = "Unknown"  // no member answers
	gone     health = "Absent"   // it is to be absent, and is
)

// judge is the health. A silent owner may serve others and only not us; one
// that the other masters call failed, or whose address nobody knows any more,
// serves nobody. A node that was never started is no riddle.
func judge(seen *cluster.State, served int, wrong bool) health {
	answers, lost := false, !seen.Formed
	var failed slot.Set
	for i := range seen.Nodes {
		n := &seen.Nodes[i]
		answers = answers || n.Health != cluster.Silent && n.Health != cluster.Failed
		nowhere := n.Health == cluster.Silent && n.Addr == ""
		if n.Health == cluster.Failed || n.Health == cluster.Loading || nowhere {
			failed = failed.Union(n.Slots)
		}
	}
	unserved := seen.Unserved()
	switch {
	case !answers:
		return untold
	case lost || !unserved.Empty() || !failed.Empty():
		return down
	case wrong || served < slot.Count:
		return degraded
	}
	return healthy
}

// problems are what is wrong whatever the topology wants, one sentence each.
func problems(seen *cluster.State) []string {
	var out []string
	if !seen.Formed {
		out = append(out, "no node is a member of a cluster")
	} else if lost := seen.Unserved(); !lost.Empty() {
		out = append(out, fmt.Sprintf("%s without an owner: %s", count(lost.Len(), "slot"), ranges(lost)))
	}
	for i := range seen.Nodes {
		out = append(out, troubles(&seen.Nodes[i])...)
	}
	for _, o := range openOf(seen.Open) {
		out = append(out, o.String())
	}
	return append(out, seen.Split...)
}

// few leaves as many problems as a person can use.
func few(problems []string) []string {
	const shown = 50
	if left := len(problems) - shown; left > 0 {
		return append(problems[:shown:shown], fmt.Sprintf("and %d more", left))
	}
	return problems
}

func troubles(n *cluster.Node) []string {
	var out []string
	switch {
	case n.Health == cluster.Absent && !n.Member: // it waits for its first start
	case n.Health != cluster.Up:
		out = append(out, fmt.Sprintf("%s is %s%s", n.Name, healthWord(n), after(": ", strings.TrimPrefix(n.Trouble, n.Name+": "))))
	case n.Foreign:
		out = append(out, n.Name+" belongs to another cluster")
	case n.Master != "" && !n.Linked:
		out = append(out, n.Name+" is a replica and not in sync with its master")
	case n.Member && !n.Ready:
		out = append(out, n.Name+" says that the cluster is not ok")
	}
	if len(n.UnknownAt) > 0 {
		out = append(out, fmt.Sprintf("%s is not known by %s", n.Name, reconcile.Listed(n.UnknownAt)))
	}
	if n.Moved {
		out = append(out, n.Name+" is known at an address it no longer has")
	}
	return out
}
