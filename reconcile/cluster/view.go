package cluster

import "github.com/slotwright/slotwright/spec/slot"

// View is what one server said of itself and of the others, or why it said
// nothing.
type View struct {
	Place   Place  // a stranger's has only Name and Addr, and both are the address
	Trouble string // why there is no answer; "" when there is one
	Refused bool   // its address refused the connection: nothing listens there
	Loading bool   // it answered LOADING: alive, nothing else known
	Lines   []Line // its CLUSTER NODES; exactly one is Myself
	Info    Info
	// Remembered says that an earlier run knew the server, by its ID, as a member
	// of this cluster.
	Remembered bool
}

// Info is what a server says of itself outside CLUSTER NODES.
type Info struct {
	Keys    int64 // of every database; Unknown without a Keyspace section
	Filled  []int // the databases that hold keys, in the order told
	Loading bool  // it is reading its data set from disk
	Linked  bool  // a replica whose link is up and no sync runs
	// Offset is how far it has come in the replication stream: a master's own
	// offset, a replica's place in its master's stream; Unknown when not told.
	Offset int64
	// Syncing says that a replica is taking over its master's whole data set.
	Syncing bool
	History History
	Ready   bool // cluster_state:ok
	Memory  Memory
	Server  Server
	Config  map[string]string
	// Borrowed says that an earlier run left its mark on the server's
	// configuration; see Node.Borrowed.
	Borrowed bool
}

// History names the stream of writes that made a server's data set.
type History struct {
	ID string // master_replid; a replica's is its master's once it has synced
	// Former is the stream before it was promoted or restarted from its disk
	// (master_replid2), which it knows below Until (second_repl_offset).
	Former string
	Until  int64
}

// Has reports whether all that made the data set of replica is in this server's,
// too: both come of one stream, and replica is not further (the rule by which a
// server lets a replica go on where it was: replication.c,
// masterTryPartialResynchronization). For proof the replica must be asked first.
func (i *Info) Has(replica *Info) bool {
	id := replica.History.ID
	if id == "" || replica.Offset < 0 {
		return false
	}
	return id == i.History.ID && replica.Offset <= i.Offset || id == i.History.Former && replica.Offset < i.History.Until
}

// Line is one line of CLUSTER NODES.
type Line struct {
	ID     string
	Host   string // may be empty: noaddr, or a node that has not met anyone
	Port   int
	Bus    int
	Name   string // announced host name, "" without one
	Flags  Flags
	Master string // ID; "" for a master
	Epoch  uint64
	Linked bool // link-state connected
	// Ranges are the slots it owns, as printed: ascending, none twice. Ranges
	// and not a set, because a thousand nodes tell a million lines.
	Ranges []slot.Range
	Open   []Mark // only in the myself line
}

// Slots are the slots it owns.
func (l *Line) Slots() slot.Set {
	var s slot.Set
	for _, r := range l.Ranges {
		s.AddRange(r.First, r.Last)
	}
	return s
}

// Flags are the flags of a CLUSTER NODES line.
type Flags struct {
	Myself, Master, Replica, PFail, Fail, Handshake, NoAddr bool
}

// Mark is an open slot as a line shows it.
type Mark struct {
	Slot      int
	Importing bool
	Peer      string // node ID
}

// Myself is the line of the server that gave the lines; nil when none is.
func Myself(lines []Line) *Line {
	for i := range lines {
		if lines[i].Flags.Myself {
			return &lines[i]
		}
	}
	return nil
}
