// Package plan decides what to do. Make is a pure function of what is wanted
// and what was seen: no context, no clock, no logger, no randomness, no error.
// What can't be done is part of the plan, as a hold.
//
// # Five choices
//
// Shards are what lasts; nodes are members of shards. Five choices make the
// goal, each stable: it is the optimum of what it costs in any state, then of
// the fewest changes from now, then of a tie-break that reads nothing a plan
// changes. A done step brings the chosen goal one change nearer and no other
// goal by more, so the goal stays the goal.
//
//	shards.go   which live shards stay, which drain, which are new
//	leaders.go  masters spread over zones, with the fewest promotions (spread.go)
//	members.go  who sits where, with the fewest re-syncs, under the zone rule (flow.go)
//	slots.go    who serves what: targets by weight, and one scan from the left
//	rules.go    the order: classes of steps, the first with an enabled step is the stage
//
// A rule leaves out what an earlier class must do first, and holds what a
// person or time must lift. The plan is walked to its end on the effects of
// its steps; the holds that are left there are the plan's.
//
// # Why the order is safe
//
// Close goes first, because a failover at either end of a half-moved slot loses
// the mark that tells of it. Slots are claimed (Assign) only when every member
// answers: a claim with a greater epoch wins, and the loser drops its keys.
// Blank nodes follow before slots move, so that keys never go from a shard with
// copies to one that has none. Promote comes after Move, because a shard
// without slots never elects. Live replicas change shards one at a time, each
// into the hole that the last one left. Replicas leave before their master: a
// replica can't forget it. What was borrowed is put back last.
//
// # Decisions
//
// A node is removed only when it answers itself that it owns no slot and holds
// no key. A replica is redundant where its master is up, has the slots and is
// proven to have its data. Silence proves nothing. A replica that is flagged fail
// may be forgotten where nothing runs as it: its address refuses connections, or
// its platform has no such process. A failed former master is not, even when its
// shard is served by the replica that took over: it stays a hold until it answers
// or allow.forget names it. That is stricter than needed and easy to believe. A
// node without slots in whose place another one answers is gone for certain.
//
// FORGET must reach every member that stays, so removal waits while one of them
// is silent. A silent member that leaves itself does not block others.
//
// A stranger that serves slots is left alone and stops all moves: how many slots
// each shard should have depends on whose those are. A stranger without slots
// is only noted.
//
// A listed member that lost its seat is drained, then reset: a spare is blank
// and outside the cluster, never a member without a seat.
//
// A cluster in which every member answers and nobody holds a key never held
// data as far as anyone can tell: slots without an owner are given out there
// without allow.dataLoss, which is how an interrupted creation goes on.
//
// The goal is made as if everything were permitted; without allow.shrinkTo
// nothing moves or leaves, and the fingerprint is the same as with it, but for who
// leads after restarts.
//
// Restarting a master means that a replica takes over first. Whether it leads
// again afterwards is chosen when it has come back; nobody is brought back
// before the last restart, so each master turns once, and once more at most where
// the zones ask for it.
//
// Leaders are chosen before members, because members chosen first leave layouts
// that no promotion evens out. The two together are not one optimum: where two
// goals cost the same, a done step may tip the choice. Slots are exact: they
// never tip while shards and members stand.
//
// A receiver needs room for a tenth more than the estimate. Without maxmemory
// the machine's memory is the limit, and only as a last bound: others use it
// too. A cache that evicts by design must be given room before its slots move.
package plan
