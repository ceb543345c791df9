package cluster

import "github.com/slotwright/slotwright/spec/slot"

// View is what one server said of itself and of the others, or why it said
// nothing.
type View struct {
	Place   Place  // a stranger's has only Name and Addr
	Trouble string // why there is no answer; "" when there is one
	Loading bool   // it answered LOADING: alive, nothing else known
	Lines   []Line // its CLUSTER NODES; exactly one is Myself
	Info    Info
}

// Info is what a server says of itself outside CLUSTER NODES.
type Info struct {
	Keys   int64 // of every database
	Linked bool
	Lag    int64
	Ready  bool
	Memory Memory
	Server Server
	Config map[string]string
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
	Slots  slot.Set
	Open   []Mark // only in the myself line
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
