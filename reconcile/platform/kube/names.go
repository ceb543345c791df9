package kube

import (
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/spec"
)

// The labels by which slotwright knows what it made. They are on the objects,
// the pods and the claims.
const (
	clusterLabel = "slotwright/cluster"
	zoneLabel    = "slotwright/zone"
	// componentLabel tells the headless Service from the clients' one.
	componentLabel = "app.kubernetes.io/component"
	// templateMark is the annotation of a pod with the hash of the template it
	// was made from.
	templateMark = "slotwright/template"
	// topologyZone is the well-known label of a machine's zone.
	topologyZone = "topology.kubernetes.io/zone"
	// servedMark is the annotation of StatefulSets whose cluster has served.
	servedMark   = "slotwright/served"
	topologyHost = "kubernetes.io/hostname"
)

// The ports of every pod. The bus is 10000 above the clients' port (Redis
// Cluster specification, "Cluster bus").
const (
	clientPort = 6379
	busPort    = clientPort + 10000
)

// container is what the server's container is called.
const container = "redis"

// seat is a node by name and zone, before and after it exists.
type seat struct {
	pod, zone, set string
	ordinal        int
}

// seats are the nodes that the topology wants, dealt out over the zones in the
// order of the file, so that a smaller file drops the highest ordinals of each
// zone: the only pods that a StatefulSet can drop. An adopted StatefulSet has
// all of them, and where they stand is seen only when they run.
func seats(t spec.Topology) []seat {
	out := make([]seat, t.Masters*(1+t.ReplicasPerMaster))
	for i := range out {
		s := seat{ordinal: i}
		if a := t.Platform.Kubernetes.Adopt; a != nil {
			s.set = a.StatefulSet
		} else {
			s.ordinal, s.zone = i/len(t.Zones), t.Zones[i%len(t.Zones)]
			s.set = setName(t, s.zone)
		}
		s.pod = podName(s.set, s.ordinal)
		out[i] = s
	}
	return out
}

func podName(set string, ordinal int) string { return set + "-" + strconv.Itoa(ordinal) }

func setName(t spec.Topology, zone string) string { return t.Name + "-" + zone }

// nodesName is the headless Service, which gives every pod a name.
func nodesName(t spec.Topology) string { return t.Name + "-nodes" }

// split is a pod's StatefulSet and its ordinal in it.
func split(pod string) (set string, ordinal int, ok bool) {
	cut := strings.LastIndexByte(pod, '-')
	if cut < 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(pod[cut+1:])
	return pod[:cut], n, err == nil && n >= 0
}

// selector are the labels that all pods of the cluster have, and no other.
func selector(t spec.Topology) map[string]string {
	return map[string]string{clusterLabel: t.Name}
}

func labels(t spec.Topology) map[string]string {
	return map[string]string{
		clusterLabel:                   t.Name,
		"app.kubernetes.io/name":       "redis-cluster",
		"app.kubernetes.io/instance":   t.Name,
		"app.kubernetes.io/managed-by": manager,
	}
}

func zoneLabels(t spec.Topology, zone string) map[string]string {
	out := labels(t)
	out[zoneLabel] = zone
	return out
}
