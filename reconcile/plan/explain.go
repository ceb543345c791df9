package plan

import (
	"maps"
	"slices"
)

// Explain says what holds of this code mean and what lifts them. It reports
// false for a code there is none of.
func Explain(c Code) (meaning, lift string, ok bool) {
	e, ok := explanations[c]
	return e.meaning, e.lift, ok
}

// Codes are all codes, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(explanations)) }

var explanations = map[Code]struct{ meaning, lift string }{
	NodeSilent: {
		"A node does not answer. What it owns and holds is then unknown, and unknown is not empty: no slots move while an owner of slots is silent, nothing is removed while a member that stays is. A leaving node that is silent is removed only on proof: it is a replica whose master is up, all members call it failed, and its address refuses connections or its platform has no such process; or another node answers where it stood. One that hangs, or can't be reached, stays.",
		"Bring the node back, or wait until the cluster has failed over. A leaving node that is gone for good, with its slots and replicas elsewhere by now: name it in allow.forget, once you know that nothing on it is needed. It is forgotten by all and not reset; should it run again, reset it before it is used.",
	},
	NodeLoading: {
		"A node answers LOADING: it reads its data from disk and can say nothing else yet.",
		"Wait. It goes on by itself when the node has loaded.",
	},
	ViewsDisagree: {
		"The members tell different stories about who owns a slot or who follows whom. Until they agree, nothing is assigned, moved, promoted or removed. Or one of them still sends clients to an address that a node no longer has.",
		"Wait some seconds: gossip settles most of it. If it stays, compare CLUSTER NODES of the nodes named; a network that is cut in one direction is the usual reason.",
	},
	NotSynced: {
		"A replica has not caught up with its master, so it can't take over and nobody may rely on its copy.",
		"Wait for the sync. If it does not end, look at the replica's log: client-output-buffer-limit and repl-backlog-size are the usual reasons.",
	},
	FailbackWaits: {
		"Masters stand unevenly over zones after a failover. They are brought back only when every member is up and in sync, so that a rebooting node does not make others turn.",
		"Wait until they are, or say failback: false to leave masters where they are.",
	},
	NotEnough: {
		"There are fewer nodes than masters times (replicas plus one).",
		"List more nodes, or ask for fewer masters or replicas.",
	},
	ZoneRule: {
		"zoneSpread: Required wants the members of every shard in different zones, and with the nodes there are that can't be done.",
		"List nodes in the zones that are short, or say zoneSpread: Preferred.",
	},
	NoMemory: {
		"A node has no memory for the slots that would move there: it would refuse writes or be killed.",
		"Raise maxmemory, use larger nodes, or move to more masters.",
	},
	WouldEvict: {
		"A node has no memory for the slots that would move there, and its maxmemory-policy would make room by dropping keys without a word.",
		"Raise maxmemory, or move to more masters.",
	},
	NotEmpty: {
		"A node that should be empty holds keys: a new one that had data before, or a leaving one after its last slot was gone. Nothing that holds keys is reset or removed.",
		"Look at the keys. Empty the node yourself if they are not needed, or take it out of the file.",
	},
	OnlyCopy: {
		"A replica that should leave, or follow another master, holds keys, and its master is not proven to have them: its link is down and the two do not come of one history of writes, as after a master that came back without its data. What the replica holds may be the only copy, so nothing drops it.",
		"Compare the two: redis-cli -h HOST -p PORT INFO replication, and DBSIZE at both; READONLY lets you read at the replica. Save what is needed (redis-cli --rdb FILE copies all of it), then mend the link (masterauth, network) or empty the replica yourself. A mended link has the server replace the replica's keys with its master's.",
	},
	TwoValues: {
		"A key of a half-moved slot has one value at the node that owns the slot and another at the node it moves to. That happens when an end fails over in the middle and clients write the key anew. Only who wrote them can say which value is right, so both stay and the slot stays open; clients get the owner's.",
		"Look at the key at both nodes and delete it where it is wrong, then run again. The node that does not own the slot wants ASKING before each command, on the same connection: printf 'ASKING\\nGET %s\\n' KEY | redis-cli -h HOST -p PORT, likewise DEL or, for other types than strings, DUMP.",
	},
	HeavyKey: {
		"A key is so large that to move it would keep both its nodes from answering for longer than the cluster waits before it calls a node failed (three quarters of cluster-node-timeout; MIGRATE sends a key in one go). Its slot stays whole where it is and serves, and all others move. Where such a key came to a slot that was already on its way, the slot stays open, and clients find every key.",
		"Split the key, or raise the timeout for as long as the move takes: CONFIG SET cluster-node-timeout MILLISECONDS at every member. Clients wait while the key moves. Then run again.",
	},
	StaleKeys: {
		"A node holds keys under an importing mark, and the slot's owner, a master all the while, has no mark of sending them. A server that comes back with an older copy of its data looks like that: it marks the slots whose keys it finds and does not own. To bring them to the owner would revive keys that clients have deleted since, so nothing moves, and clients get the owner's.",
		"Compare a few of them with the owner's: CLUSTER GETKEYSINSLOT SLOT 10 at the node lists them, and it answers after ASKING on the same connection. Where they are old, drop them there, slot by slot: printf 'ASKING\\nDEL %s\\n' KEY | redis-cli -h HOST -p PORT for each key; never by CLUSTER SETSLOT STABLE, which hides where they come from. Where they were on their way (the owner was failed over and took its slots back since), say so at the owner: CLUSTER SETSLOT SLOT MIGRATING ID-OF-THE-NODE. Then run again.",
	},
	Replaced: {
		"A master lost its memory of the cluster (nodes.conf) and came back as another node before anybody was elected. The old node still owns the slots in everybody's eyes; as its address is another's now, it is not pinged, never counts as failed, and no replica takes over.",
		"Look at its replicas: one that has the keys (a replica whose link works has synced with whoever answers there now, and is empty, too) takes the shard by CLUSTER FAILOVER TAKEOVER. Only then forget the old node. Without a replica, bring the old nodes.conf and data back, or accept the loss: CLUSTER FORGET the old node on every member, then allow.dataLoss.",
	},
	WrongAddress: {
		"A node announces an address (cluster-announce-ip) at which other members can't reach it, so it is no member for them, whatever the servers list. No slot gets an owner before all members reach each other.",
		"Set cluster-announce-ip at that node to an address at which the others reach it (or to an empty one, where they reach it at the address in the file), or open the way there: both its port for clients and that of the cluster bus.",
	},
	SameServer: {
		"Two listed nodes have addresses that lead to one and the same server.",
		"Correct the address of one of them, or take it out of the file.",
	},
	OtherCluster: {
		"A listed node belongs to another cluster. Meeting it would merge the two for ever.",
		"Take it out of the file, correct its address, or reset it yourself.",
	},
	ShrinkTo: {
		"The change would remove more than half of the masters, or leave fewer than three.",
		"Write allow.shrinkTo with the new number of masters next to it, if it is meant.",
	},
	Deletion: {
		"state: Absent deletes the cluster with all its data.",
		"Write allow.delete with the cluster's name, if it is meant. Servers of a fixed inventory and adopted StatefulSets are never deleted.",
	},
	LostSlots: {
		"Nobody owns some slots in a cluster that has data. Keys of them that a live master holds will be served by it again. All others are lost, unless a node that has them comes back; giving the slots away now would make that final.",
		"Bring the node back, or accept the loss with allow.dataLoss naming exactly those slots.",
	},
	Elsewhere: {
		"The local nodes of this cluster are in another directory than the topology says, by what the state directory remembers. Nodes and data do not follow a changed spec.platform.local.directory, and to start new ones would make a second, empty cluster beside the first.",
		"Say the old directory again. To have a new cluster in the new one, remove the old one first (state: Absent in a file that says the old directory), or give the new one another name.",
	},
	WrongEngine: {
		"A node runs another engine or version than spec.engine says, or one that does not know a directive of spec.config. A new node of another engine is not met.",
		"Install the right engine there, or correct spec.engine or spec.config.",
	},
	Stranger: {
		"A node that no topology names serves slots. It is not touched, and no slots move, because how many each shard should have depends on whose those are.",
		"List the node, or move its slots away by hand.",
	},
	StaleApproval: {
		"The plan is not the one that was approved, nor what is left of it.",
		"Look at the new plan and approve it. With run --approve plan: write its fingerprint to allow.plan.",
	},
	NotApproved: {
		"The daemon runs with --approve plan: it carries out only a plan whose fingerprint the topology permits, and what is left of it.",
		"Look at the plan, and write allow.plan with its fingerprint.",
	},
	Suspended: {
		"The topology says suspend: true: the cluster is observed and nothing is changed.",
		"Remove suspend.",
	},
	BadConfig: {
		"A server refuses a value of spec.config, with the words that are quoted. It keeps the values it has; one that had to be restarted for it runs again with its old configuration.",
		"Correct spec.config. The server's documentation has the values that a directive takes.",
	},
	RestartNeeded: {
		"A directive can't be set on a running server, and slotwright can't restart this node safely: it belongs to a fixed inventory or an adopted StatefulSet, or its shard has no replica to take over.",
		"Restart the node yourself, replicas first, a master only after CLUSTER FAILOVER at its replica.",
	},
	Refused: {
		"A server refuses a command that is needed to know whether it is as wanted.",
		"Permit the command to the login that spec.auth names.",
	},
	Busy: {
		"Another run of slotwright is acting on this cluster.",
		"Wait until it has ended.",
	},
	NameTaken: {
		"The platform needs a name, of a Service or a StatefulSet, that somebody else uses already. slotwright touches only what carries its label.",
		"Remove or rename the other one, or give the cluster another metadata.name.",
	},
	CantChange: {
		"The topology changes something that is fixed once it is made, such as the size of volumes in a StatefulSet.",
		"Write what it was, or make a new cluster and move to it.",
	},
	NoProgress: {
		"Nothing changed for as long as --timeout allows.",
		"The other holds say what it waited for. Running it again is safe.",
	},
}
