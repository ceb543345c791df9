package plan

// Code names a kind of hold. `slotwright explain CODE` prints its text.
type Code string

// The codes.
const (
	NodeSilent    Code = "NodeSilent"    // a node does not answer
	NodeLoading   Code = "NodeLoading"   // a node is loading its data
	ViewsDisagree Code = "ViewsDisagree" // members do not agree yet
	NotSynced     Code = "NotSynced"     // a replica is not in sync with its master
	FailbackWaits Code = "FailbackWaits" // not every member is up and synced
	NotEnough     Code = "NotEnough"     // fewer nodes than seats
	ZoneRule      Code = "ZoneRule"      // the zone rule can't be met
	NoMemory      Code = "NoMemory"      // receivers lack memory for what would move
	WouldEvict    Code = "WouldEvict"    // receivers would evict silently
	NotEmpty      Code = "NotEmpty"      // a new node holds keys
	OnlyCopy      Code = "OnlyCopy"      // a replica holds keys that its master is not proven to have
	TwoValues     Code = "TwoValues"     // a key has different values at both ends of a half-moved slot
	HeavyKey      Code = "HeavyKey"      // a key can't move within the node timeout
	StaleKeys     Code = "StaleKeys"     // keys that a slot's owner is not known to have sent
	Replaced      Code = "Replaced"      // a master with slots, whose address another node took
	WrongAddress  Code = "WrongAddress"  // members can't reach a node where it announces itself
	SameServer    Code = "SameServer"    // two listed addresses lead to one server
	OtherCluster  Code = "OtherCluster"  // a new node belongs to another cluster
	ShrinkTo      Code = "ShrinkTo"      // needs allow.shrinkTo
	Deletion      Code = "Deletion"      // needs allow.delete
	LostSlots     Code = "LostSlots"     // slots without an owner; needs allow.dataLoss
	Elsewhere     Code = "Elsewhere"     // the nodes are in another directory than the topology says
	WrongEngine   Code = "WrongEngine"   // another engine or version, or one without a directive
	Stranger      Code = "Stranger"      // a node that no topology names serves slots
	StaleApproval Code = "StaleApproval" // the plan is not the approved one
	NotApproved   Code = "NotApproved"   // the daemon takes approved plans only; needs allow.plan
	Suspended     Code = "Suspended"     // suspend: true
	BadConfig     Code = "BadConfig"     // a server refuses a value of spec.config
	RestartNeeded Code = "RestartNeeded" // a directive needs a restart slotwright can't do here
	Refused       Code = "Refused"       // a server refuses a command that is needed
	Busy          Code = "Busy"          // another run is acting on this cluster
	NameTaken     Code = "NameTaken"     // the platform has something else by a name it needs
	CantChange    Code = "CantChange"    // what the topology changes is fixed once it is made
	NoProgress    Code = "NoProgress"    // nothing changed for --timeout
)
