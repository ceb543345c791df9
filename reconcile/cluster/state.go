// Package cluster is what was observed, as values: the text of CLUSTER NODES
// read, the views of all members merged, silence and disagreement recorded. It
// has no connection and no clock.
package cluster

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/spec/slot"
)

// Place is where a node stands or should stand, as a platform knows it.
type Place struct {
	Name string // the inventory's, the pod's or the local index's; it outlives the address
	Zone string // "" where there are no zones
	Host string // the address without its port
	Addr string // host:port; "" while the platform has not given it one
	// Listed says that the topology wants this node. A place that is not
	// listed is one the platform still has, or one an earlier run listed.
	Listed bool
	// Exists says that the platform has made it. A static inventory always
	// says true: it can't know.
	Exists bool
	// Alias is host:port by which members may know it besides Addr: the host name
	// it announces. "" where it announces none.
	Alias string
	// Trouble is what the platform sees that may keep it from answering, in a
	// clause for people; "" when nothing is seen.
	Trouble string
	// Outdated says that it runs as an older topology wanted it, and that only the
	// platform can change that, by making it anew.
	Outdated bool
	// ID is the node ID an earlier run saw here, "" when there was none. It is
	// only a hint: it names a silent node that the others know at an address
	// it no longer has, and the server's own answer always wins.
	ID string
	// Elsewhere is why the platform holds that the node stands at another place
	// than the topology says, for people: nothing may be done then, or there
	// would be two of it. "" is the rule.
	Elsewhere string
	// Remark is what people should know of the place and nothing waits for.
	Remark string
	// Memory is how many bytes the platform lets it use: one that uses more is
	// killed. 0 is no limit, or that the platform does not know.
	Memory int64
}

// AnnounceIP is the directive by which a server says where others reach it.
const AnnounceIP = "cluster-announce-ip"

// Health is what a node's own answer, or its absence, says.
type Health int

// The healths, best first.
const (
	Up      Health = iota // answers and can serve
	Loading               // answers LOADING or has no data yet
	Absent                // the platform has not started it
	Silent                // does not answer; Trouble says why. Never proof of anything
	Failed                // silent, and a majority of masters flags it fail
)

// Unknown is the count of something nobody could tell.
const Unknown = -1

// Node is one server, as it describes itself where it answers, else as the
// others describe it.
type Node struct {
	Name string // the place's; a stranger has its address, or its ID without one
	ID   string // 40 hex digits; "" while nobody told
	Addr string // host:port slotwright dials
	Zone string
	Host string
	// IP and Hostname are what it says itself that others reach it by; "" where
	// it does not say.
	IP, Hostname string

	Listed bool // the topology wants it
	Before bool // not listed, but an earlier run listed or made it: it is leaving
	Exists bool // see Place.Exists
	// Outdated and Alias are the place's: see there.
	Outdated bool
	Alias    string

	Elsewhere, Remark string // see Place

	Health  Health
	Trouble string // why it is Silent, for people; never holds a secret

	// Twin is the node whose server answers at this node's address, too; "" where
	// none does.
	Twin string
	// Gone says that nothing runs as this node: its address refuses connections
	// or its platform has no such process, and a majority of masters flags it
	// fail. A node that hangs, or that can't be reached, is not.
	Gone bool
	// Replaced says that every member that lists the node has lost its address:
	// another node answered there (CLUSTER NODES: noaddr). Members do not ping
	// such a node any more, so it never fails, and nobody is elected in its place.
	// Or that it failed and has no slots, and another node answers at the place
	// whose Alias it announced: a platform that gives names never runs two of one.
	Replaced bool

	// Member says that the node and the cluster of this topology know each
	// other. Foreign says that it belongs to another cluster: it knows nodes
	// that no member of ours is, or sees slots served there. Listed nodes that
	// know only each other and serve nothing are neither.
	Member  bool
	Foreign bool
	// Alone says that it answers and knows no other node.
	Alone bool
	// UnknownAt are the names of answering members that do not know this
	// member yet, or any more. Empty at rest. A member that some list and that
	// knows none of them itself is unknown at all of them: it answers nobody
	// until it is met again, and whoever lists it must still forget it.
	UnknownAt []string
	// Moved says that members know it at an address it no longer has.
	Moved bool
	// Announced is where others are to reach it, by its own configuration
	// (AnnounceIP); "" where that says nothing.
	Announced string
	// Unreached are the names of answering members that know this member, which
	// answers, and have no link to it. Empty at rest.
	Unreached []string
	// Misled are the names of answering members that send clients who ask for it
	// elsewhere than to Announced. Empty at rest.
	Misled []string

	Master string   // ID of the master it follows; "" for a master
	Slots  slot.Set // owned, by the merged view; empty for a replica
	Epoch  uint64   // its config epoch

	Keys int64 // in every database; Unknown when it did not answer
	// Uncounted is why it can't be told whether a master holds keys of slots it
	// does not own, for people; "" where it could, or nobody had to ask.
	Uncounted string
	Linked    bool // a replica whose master_link_status is up and no sync runs
	// Unproven says that a replica holds keys and its master, which answers, is not
	// proven to have them: see Info.Has. Syncing says that the replica is taking over its data.
	Unproven, Syncing bool
	Lag               int64 // bytes behind its master; Unknown when it can't be told
	Ready             bool  // it says cluster_state:ok itself

	Memory Memory
	Server Server
	// Config are the live values of the directives the topology names, and of
	// those that slotwright switches for its own work.
	Config map[string]string
	// Modules are the loaded modules that do not say that they support atomic slot
	// migration, and Loginless says that the node has no primaryauth to log in with
	// at other masters, though they demand it. Both are asked only where slots
	// would move atomically.
	Modules   []string
	Loginless bool
	// Borrowed says that an earlier run switched cluster-allow-replica-migration
	// off here and did not put it back.
	Borrowed bool
	// Once is what earlier runs knew a stranger as, in a clause for people: it
	// may be a cluster that was called otherwise then. "" for nothing.
	Once string
}

// Former is a node that left the cluster without being reset, runs, and still
// takes itself for a member: whoever asks it hears of a cluster that is no more.
type Former struct{ Name, Addr string }

// Memory is what INFO memory and CONFIG say, in bytes.
type Memory struct {
	Used    int64 // used_memory; Unknown when it did not answer
	RSS     int64 // used_memory_rss, what the machine gives the process; Unknown likewise
	Dataset int64 // used_memory_dataset; Unknown likewise
	Max     int64 // maxmemory; 0 is no limit
	System  int64 // total_system_memory; 0 when not told
	Limit   int64 // of its container, see Place.Memory; 0 is no limit
	Policy  string
}

// Bound is what a node may use, and by whose word: the less of maxmemory and the
// limit of its container. Without both the machine is the last bound, for others
// use it, too. 0 is none.
func (m Memory) Bound() (bytes int64, what string) {
	switch {
	case m.Limit > 0 && (m.Max == 0 || m.Limit < m.Max):
		return m.Limit, "its container's limit"
	case m.Max > 0:
		return m.Max, "maxmemory"
	}
	return m.System, "memory of the machine"
}

// Server is the software a node runs.
type Server struct {
	Name      string // redis or valkey
	Version   string // "7.0.15"
	Databases int    // databases usable in cluster mode, 1 before Valkey 9
}

// Valkey reports whether it is Valkey of this major version or a newer one.
func (s Server) Valkey(least int) bool {
	major, _, _ := strings.Cut(s.Version, ".")
	v, err := strconv.Atoi(major)
	return s.Name == "valkey" && err == nil && v >= least
}

// Open is a slot caught between two nodes, as one node's own line marks it, or
// as keys show that are where they should not be. Marks are visible only in the
// myself line of the node that carries them.
type Open struct {
	Slot      int
	At        string // name of the node that carries the mark
	Peer      string // name of the node the mark points to, or its ID when unknown
	Importing bool   // [slot-<-peer]; else migrating, [slot->-peer]
	// Stray is how many keys of the slot At holds without owning it and without
	// a mark of its own: failovers of both ends leave that of a move. Peer is
	// the owner then, "" when there is none, and Importing is true. 0 for a mark.
	Stray int64
	// Alone is how many keys of the slot At holds under an importing mark that no
	// migrating mark of its source explains, though the source is a master all the
	// while; Unknown when they can't be counted. 0 for every other mark.
	Alone int64
}

// Fixture is something that a platform keeps for a cluster besides its nodes,
// such as a Service.
type Fixture struct {
	Name  string // for people: "Service orders"
	Text  string // what is wrong with it, in a clause
	Taken bool   // the name is somebody else's; slotwright does not touch it
	Lift  string // of what slotwright can't bring about: what a person does about it; "" where it can
}

// State is one moment of one cluster, merged from every member's own view. A
// node that did not answer is in it as Silent; it is never just missing.
type State struct {
	Nodes []Node // sorted by Name
	Open  []Open // sorted by slot, then At; see SortOpen
	// Split says what answering members disagree about, one sentence each;
	// empty when they agree.
	Split []string
	// Fixtures are what the platform keeps besides nodes and what is not as the
	// topology wants it; empty at rest.
	Fixtures []Fixture
	// Served says that the platform remembers this cluster with every slot served:
	// it has held data, however empty it looks now.
	Served bool
	// Unremembered is why it can't be told which nodes were members before, for
	// people; "" where it can. A node that left the file is a stranger then.
	Unremembered string
	// Former are the nodes that left and were not reset, by name.
	Former []Former
	// Formed says that some answering node is a member: there is a cluster.
	Formed bool
	// Weights are what slots hold, where it was asked: of slots that would move.
	Weights map[int]Weight
}

// SortOpen puts Open into its order.
func (s *State) SortOpen() {
	slices.SortFunc(s.Open, func(a, b Open) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.At, b.At), cmp.Compare(a.Peer, b.Peer))
	})
}

// Owner is the node that owns slot n by the merged view, nil when none does.
func (s *State) Owner(n int) *Node {
	for i := range s.Nodes {
		if s.Nodes[i].Slots.Has(n) {
			return &s.Nodes[i]
		}
	}
	return nil
}

// Node finds a node by name.
func (s *State) Node(name string) *Node {
	for i := range s.Nodes {
		if s.Nodes[i].Name == name {
			return &s.Nodes[i]
		}
	}
	return nil
}

// ByID finds a node by its cluster ID.
func (s *State) ByID(id string) *Node {
	if id == "" {
		return nil
	}
	for i := range s.Nodes {
		if s.Nodes[i].ID == id {
			return &s.Nodes[i]
		}
	}
	return nil
}

// Unserved are the slots that no node owns by the merged view.
func (s *State) Unserved() slot.Set {
	left := slot.All()
	for i := range s.Nodes {
		left = left.Minus(s.Nodes[i].Slots)
	}
	return left
}
