// Package spec is what people write: topology files, read, defaulted and
// checked. It never touches the network and never holds a secret, only where
// one is found.
package spec

import (
	"path/filepath"
	"time"

	"github.com/slotwright/slotwright/spec/slot"
)

// Topology is the wanted shape of one cluster, checked and with every default
// filled in.
type Topology struct {
	Name              string
	Masters           int // at least 1
	ReplicasPerMaster int // 0 or more
	// Zones are the failure domains as written. Empty means: those the nodes
	// name, and where they name none, each host is its own domain.
	Zones      []string
	ZoneSpread Spread
	Platform   Platform
	Engine     Engine
	Slots      Slots
	Config     map[string]string // redis.conf directives, lower case
	Auth       *Auth             // nil: no password
	TLS        *TLS              // nil: plain text
	Migration  Migration
	Failback   bool
	Allow      Allow
	Suspend    bool
	State      State

	File string // where it was written, for messages and for relative paths
	Line int
}

// Path is where a file that the topology names is found: names are relative
// to the topology's own file, or to the working directory when that was stdin.
func (t Topology) Path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(t.File), name)
}

// Spread says how strictly the members of one shard stand in different zones.
type Spread string

// The zone rules.
const (
	Required  Spread = "Required"  // never two members of a shard in one zone
	Preferred Spread = "Preferred" // as few collisions as possible
	Off       Spread = "Off"       // no rule for members; masters are spread anyway
)

// State says whether the cluster should exist.
type State string

// The states a topology can ask for.
const (
	Present State = "Present"
	Absent  State = "Absent" // needs Allow.Delete
)

// Platform says where the nodes are. Exactly one field is set.
type Platform struct {
	Static     *Static
	Local      *Local
	Kubernetes *Kubernetes
}

// Static is a fixed inventory: slotwright starts and stops nothing there.
type Static struct {
	Nodes []StaticNode
}

// StaticNode is one server of an inventory.
type StaticNode struct {
	Name    string
	Address string // host:port; IPv6 hosts in brackets
	Zone    string // "" where the inventory has no zones
}

// Local is redis-server or valkey-server processes on this machine.
type Local struct {
	Directory string // "": a state directory per cluster
	BasePort  int    // default 7000
	Server    string // "": the first of redis-server, valkey-server on PATH
}

// Kubernetes places the nodes as pods.
type Kubernetes struct {
	Namespace string
	Image     string // "": the official one of the engine and version
	Storage   Storage
	Resources map[string]any // of the server's container, as Kubernetes has them
	// PodTemplate is merged strategically into the template of the pods; the
	// server's container is called redis.
	PodTemplate    map[string]any
	NetworkPolicy  bool // only members reach the cluster bus
	ServiceMonitor *ServiceMonitor
	Adopt          *Adopt // set: everything above but the namespace is empty
}

// Storage is the volume of each pod. Without a size there is none, and a pod's
// data goes with it.
type Storage struct {
	Size             string
	StorageClassName string // "": the default one
	WhenScaled       string // Retain (default) or Delete: the claims of pods that a shrink removes
	WhenDeleted      string // Retain (default) or Delete: all claims, when the cluster is deleted
}

// ServiceMonitor has Prometheus scrape the pods: its operator's object.
type ServiceMonitor struct {
	Port   string            // the name of a container port
	Labels map[string]string // by which the Prometheus selects it
}

// Adopt names a StatefulSet that somebody else made and keeps the template of.
// slotwright plans its nodes and sets its replicas.
type Adopt struct {
	StatefulSet string
}

// Engine is what INFO must say. Empty fields are not checked.
type Engine struct {
	Name    string // redis or valkey
	Version string // a prefix: "7.2" fits 7.2.4
}

// Slots says how evenly slots are spread.
type Slots struct {
	Tolerance float64        // a fraction of a shard's even share, default 0.02
	Weights   map[string]int // per zone, default 1
}

// Auth is who slotwright logs in as, and where the password is found.
type Auth struct {
	Username string // default "default"
	Password Secret
}

// Secret says where a secret is. Exactly one field is set; the secret itself
// is never here.
type Secret struct {
	Env        string
	File       string // relative to the topology file
	SecretName string // Kubernetes Secret
	SecretKey  string
}

// TLS names the files of a TLS client, or a Kubernetes Secret with the keys
// ca.crt, tls.crt and tls.key.
type TLS struct {
	CAFile, CertFile, KeyFile string // relative to the topology file
	Secret                    string
}

// Migration is the budget of clients while slots move.
type Migration struct {
	MaxLatency time.Duration // default 20ms
}

// Allow are permissions. Each names its subject and counts only while it fits
// exactly; a stale one is reported.
type Allow struct {
	ShrinkTo *int      // equal to the new masters
	DataLoss *slot.Set // exactly the lost slots
	Delete   string    // the cluster's name
	Forget   []string  // leaving nodes that do not answer and are gone for good
	Plan     string    // the fingerprint of the plan that a daemon which asks may carry out
}
