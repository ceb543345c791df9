package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

type state = *cluster.State

// inventory fills in all of a live cluster's topology but its rules: its nodes
// by address, its masters and replicas, its engine. Members without slots or
// followers are left out, by name; they stay what they are.
func inventory(want spec.Topology, seen state, zones map[string]string) (_ spec.Topology, left []string, err error) {
	var members []cluster.Node
	masters, replicas := 0, 0
	for _, n := range seen.Nodes {
		followers := len(replicasOf(seen, n.ID))
		switch {
		case !n.Member || n.Foreign:
			continue
		case n.Master == "" && n.Slots.Empty() && followers == 0:
			left = append(left, n.Name)
			continue
		case n.Master == "":
			masters++
			replicas = max(replicas, followers)
		}
		members = append(members, n)
	}
	if masters == 0 {
		return want, nil, errors.New("there is no cluster here: no node has slots or replicas")
	}
	nodes, err := named(alike(members, want.Platform.Static.Nodes[0].Address), zones)
	want.Masters, want.ReplicasPerMaster = masters, replicas
	want.Zones, want.Engine = zonesOf(nodes), engineOf(members)
	want.Platform = spec.Platform{Static: &spec.Static{Nodes: nodes}}
	return want, left, err
}

// alike has all members at host names, or all at IP addresses: one zone for each
// host, and one rule of failure domains, need one way to write a host. The node
// that was asked is seen as it was asked for, the others as members know them.
// Host names are taken where it was asked for by one and all announce theirs.
func alike(members []cluster.Node, asked string) []cluster.Node {
	host, _, _ := net.SplitHostPort(asked)
	names := net.ParseIP(host) == nil
	for _, n := range members {
		names = names && n.Hostname != ""
	}
	out := slices.Clone(members)
	for i := range out {
		n := &out[i]
		host, port, err := net.SplitHostPort(n.Addr)
		switch {
		case err != nil:
			continue
		case names:
			host = n.Hostname
		case net.ParseIP(host) == nil && n.IP != "":
			host = n.IP
		}
		n.Host, n.Addr = host, net.JoinHostPort(host, port)
	}
	return out
}

// named gives the members names in the order of their addresses.
func named(members []cluster.Node, zones map[string]string) ([]spec.StaticNode, error) {
	slices.SortFunc(members, func(a, b cluster.Node) int { return byAddress(a.Addr, b.Addr) })
	used := map[string]bool{}
	var out []spec.StaticNode
	for i, n := range members {
		zone := ""
		for _, key := range []string{n.Host, n.Addr} {
			if z, ok := zones[key]; ok {
				zone, used[key] = z, true
			}
		}
		out = append(out, spec.StaticNode{Name: fmt.Sprintf("n%d", i), Address: n.Addr, Zone: zone})
	}
	for _, n := range out {
		if len(zones) > 0 && n.Zone == "" {
			return nil, fmt.Errorf("%s has no --zone; name the zones of all nodes or of none", n.Address)
		}
	}
	for key := range zones {
		if !used[key] {
			return nil, fmt.Errorf("--zone %s names no member", key)
		}
	}
	return out, nil
}

// byAddress sorts by host, then by port as a number.
func byAddress(a, b string) int {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	numberA, _ := strconv.Atoi(portA)
	numberB, _ := strconv.Atoi(portB)
	return cmp.Or(strings.Compare(hostA, hostB), numberA-numberB)
}

func zonesOf(nodes []spec.StaticNode) []string {
	var out []string
	for _, n := range nodes {
		if n.Zone != "" && !slices.Contains(out, n.Zone) {
			out = append(out, n.Zone)
		}
	}
	slices.Sort(out)
	return out
}

// engineOf is the engine that all members run, with major and minor version;
// empty where they differ.
func engineOf(members []cluster.Node) spec.Engine {
	var out spec.Engine
	for i, n := range members {
		one := spec.Engine{Name: n.Server.Name, Version: minor(n.Server.Version)}
		if i > 0 && one != out {
			return spec.Engine{}
		}
		out = one
	}
	return out
}

func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// rules are the ways a layout may be meant, strictest first: an even spread
// with failback before one without, the usual tolerance before the one that
// the live shares need.
func rules(base spec.Topology, seen state) []spec.Topology {
	var out []spec.Topology
	tolerances := []float64{base.Slots.Tolerance}
	if live := unevenness(base.Masters, seen); live > base.Slots.Tolerance {
		tolerances = append(tolerances, live)
	}
	for _, tolerance := range tolerances {
		for _, spread := range []spec.Spread{spec.Required, spec.Preferred, spec.Off} {
			for _, failback := range []bool{true, false} {
				want := base
				want.Slots.Tolerance, want.ZoneSpread, want.Failback = tolerance, spread, failback
				out = append(out, want)
			}
		}
	}
	return out
}

// unevenness is how far the live shares are from even, as a fraction of a
// share, rounded up to a whole percent.
func unevenness(masters int, seen state) float64 {
	share := float64(slot.Count) / float64(masters)
	worst := 0.0
	for _, n := range seen.Nodes {
		if n.Member && n.Master == "" && !n.Slots.Empty() {
			worst = max(worst, math.Abs(float64(n.Slots.Len())-share)/share)
		}
	}
	return math.Ceil(worst*100) / 100
}
