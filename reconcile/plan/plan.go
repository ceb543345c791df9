package plan

import "github.com/slotwright/slotwright/spec/slot"

// Plan is the whole way from what was seen to what is wanted, or as much of it
// as may be gone now.
type Plan struct {
	Cluster string   `json:"cluster"`
	Steps   []Step   `json:"steps"` // in order; stages ascend
	Holds   []Hold   `json:"holds,omitempty"`
	Notes   []string `json:"notes,omitempty"` // what people should know and nothing waits for: spare nodes, strangers, stale permissions
	Goal    Goal     `json:"goal"`
	// Unmeasured are moves, planned or held for want of memory, of slots whose
	// weights the state does not tell.
	Unmeasured []Step `json:"-"`
}

// Kind is what a step does. The kinds are closed.
type Kind string

// The kinds, in the order of their classes.
const (
	Close     Kind = "Close"     // finish or undo a half-moved slot: Slots, From (owner now), To (owner after)
	Furnish   Kind = "Furnish"   // the platform keeps what belongs around the nodes
	Start     Kind = "Start"     // the platform makes Node
	Meet      Kind = "Meet"      // Node joins, or is told a new address
	Assign    Kind = "Assign"    // Node takes Slots that nobody owns
	Follow    Kind = "Follow"    // Node becomes a replica of To
	Move      Kind = "Move"      // Slots go From To with their keys
	Promote   Kind = "Promote"   // Node, a synced replica, takes over From, its master
	Forget    Kind = "Forget"    // Node is forgotten by all and reset
	Reset     Kind = "Reset"     // Node, proven redundant or empty, becomes blank and stays listed
	Stop      Kind = "Stop"      // the platform stops Node, data kept
	Destroy   Kind = "Destroy"   // the platform removes Node and its data (state: Absent)
	Configure Kind = "Configure" // Node gets the directives of Config, live
	Restart   Kind = "Restart"   // Node is restarted for directives that can't be set live
)

// Step is one change that either happened or did not, on one node or, for
// Move, Close, Follow and Promote, between two.
type Step struct {
	Stage  int      `json:"stage"` // steps of one stage may run together, in any order
	Kind   Kind     `json:"kind"`
	Node   string   `json:"node,omitempty"`
	From   string   `json:"from,omitempty"`
	To     string   `json:"to,omitempty"`
	Slots  slot.Set `json:"slots,omitzero"`
	Keys   int64    `json:"keys,omitempty"`   // about how many keys move; Unknown when it can't be told
	Bytes  int64    `json:"bytes,omitempty"`  // about how many bytes move or are copied
	ETA    int64    `json:"eta,omitempty"`    // about how many seconds a Move takes by itself; 0 when it can't be told
	Engine Engine   `json:"engine,omitempty"` // of a Move
	// EngineReason is why it is that engine.
	EngineReason string            `json:"engineReason,omitempty"`
	Config       map[string]string `json:"config,omitempty"`
	Shard        string            `json:"shard,omitempty"` // name of the shard's leader when the step runs
	Bare         bool              `json:"bare,omitempty"`  // the shard has no synced replica while the step runs
	Kept         bool              `json:"kept,omitempty"`  // Destroy: the volumes with the data outlive the node
	Reason       string            `json:"reason,omitempty"`
}

// Why says who can lift a hold.
type Why string

// The reasons of holds.
const (
	Wait  Why = "Wait"  // time will lift it
	Ask   Why = "Ask"   // a person must permit it in YAML
	Stuck Why = "Stuck" // it can't be reached from here
)

// Hold is something left undone on purpose.
type Hold struct {
	Why  Why    `json:"why"`
	Code Code   `json:"code"`
	Node string `json:"node,omitempty"` // "" when it is about the cluster
	Text string `json:"text"`           // what holds, with the numbers
	Lift string `json:"lift"`           // what lifts it
}

// Held is the error of a step that met something only a person can decide.
type Held struct{ Hold }

func (h Held) Error() string { return h.Text }

// Progress is how far one step of a running stage has come.
type Progress struct {
	Step        Step
	Done, Total int   // slots for Move and Close; else 0 of 1, then 1 of 1
	Keys, Bytes int64 // moved so far
	KeysTotal   int64 // keys to move in all, where they were counted (Close); else 0
	Latency     int64 // microseconds that probes saw lately; 0 when not measured
	Window      int64 // microseconds that a burst of MIGRATEs may take, as last chosen by them; 0 where there is none
	Text        string
}

// Goal is the end of a plan: what its fingerprint covers, so that an approval
// survives a crash in the middle and never covers a new removal.
type Goal struct {
	Shards  []Shard                      `json:"shards,omitempty"`  // sorted by leader
	Removed []string                     `json:"removed,omitempty"` // nodes that leave, sorted
	Config  map[string]map[string]string `json:"config,omitempty"`  // directives that topology sets, by node
	Lost    slot.Set                     `json:"lost,omitzero"`     // slots that may be given out without their keys
	End     string                       `json:"end,omitempty"`     // where there is no other goal: Suspended, Absent, Deleted
}

// What Goal.End says of state: Absent. The word for what waits for a permission
// is another one: to approve a plan that deletes nothing is not to approve one
// that deletes everything.
const (
	deletes      = "Deleted"
	wouldDelete  = "Absent"
	isLeftAsItIs = "Suspended"
)

// Shard is a leader, its replicas and the slots they serve.
type Shard struct {
	Leader   string   `json:"leader"`
	Replicas []string `json:"replicas,omitempty"` // sorted
	Slots    slot.Set `json:"slots,omitzero"`
}

// First is the first stage: the steps that may run now.
func (p Plan) First() []Step {
	n := 0
	for n < len(p.Steps) && p.Steps[n].Stage == p.Steps[0].Stage {
		n++
	}
	return p.Steps[:n]
}
