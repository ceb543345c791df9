//go:build e2e

package e2e

// What may go wrong, and the test that proves what then happens:
//
//	a run is killed at any boundary of its steps, or anywhere       TestARunKilledAnywhereIsTakenUpOrTakenBack
//	two shards leave in one commit, and the run is killed between   the same
//	a commit is taken back in the middle, or changed for another    the same, TestADrainIsChangedForAnotherOne
//	two runs at once, from two machines                             TestTwoRunsAtOnceOneActs
//	a leaving shard does not answer                                 TestALeavingShardThatIsSilentIsNeverRemoved
//	a leaving master dies with slots left, its replica is elected   TestADrainedMasterThatDiesIsFailedOverAndTheDrainGoesOn
//	a dead master's replica is not elected yet                      TestADeadMastersReplicaIsNotBarredFromElection
//	a leaving replica has the only copy, its master came back empty TestAReplicaWithTheOnlyCopyIsNotRemoved
//	a leaving replica hangs, and a person says that it is gone      TestAReplicaThatHangsIsNotForgottenUnlessAPersonSaysSo
//	a node lost its directory and came back as another              TestANodeThatCameBackAsAnotherIsForgotten, TestAMasterThatCameBackAsAnotherIsTakenOverByHand
//	a member can't be told to forget                                TestNothingIsForgottenWhileAMemberCannotHearOfIt
//	the run sees a minority of the cluster                          TestARunThatSeesAMinorityMovesAndRemovesNothing
//	a wrong password, no password, the wrong authority              TestALoginThatIsRefusedIsToldWithoutThePassword, TestPlainTextIsToldFromTLS
//	the target has no memory, or would evict                        TestASlotIsNotHandedOverBeforeItsKeysAre
//	the target refuses keys, fills up or hangs in mid-slot          the same
//	the run dies while a key is on its way                          the same
//	functions are only on the old masters                           the same
//	clients write all the time while slots move                     the same, TestACommittedShapeIsReachedWithoutLosingAWrite
//	a transaction, or a command of several keys, meets them         TestTransactionsStayWholeWhileSlotsMove
//	a source or target is killed, paused, failed or taken over      TestClientsAreToldTheTruthWhateverFallsInAGrowOrAShrink
//	it has no replica, and comes back or never does                 TestOnlyAMasterThatNeverComesBackCostsKeys
//	a replica of the source takes over while slots are handed over  TestSlotsOfAMasterThatWasJustReplacedAreNotHandedOver (in reconcile/live)
//	a master is asked to give way in the moment of the hand-over    TestAMasterThatGivesWayTakesNoSlots and others (in reconcile/live)
//	a person moves the same slots with redis-cli                    TestAPersonWhoMovesTheSameSlotsCostsNoKey
//	a server cancels or fails what it moves by itself, or can't     TestJobsThatSomebodyCancelsAgainAndAgainGiveWayToMigrate and others (in reconcile/live)
//	a key is too big for the node timeout                           TestAHashOfAMillionFieldsMovesAloneOrStays
//	keys are in other databases, or nearly all in few slots         TestKeysOfEveryDatabaseGoAlong, TestSlotsThatHoldNearlyAllKeysMoveAsOthersDo
//	a run or a daemon is told to stop, or of another commit         TestAnInterruptedRunStopsSoonAtASafeBoundary, TestADaemonTurnsToANewCommitAndStopsSoon
//	keys expire while they move                                     TestKeysThatExpireWhileTheyMoveStayMortal
//	a key is at both ends, with one value or with two               TestAHalfMovedSlotIsClosedWithAllItsKeys, TestTwoValuesOfOneKeyAreNotChosenBetween
//	a client writes a key anew behind a failover in mid-slot        TestAKeyWrittenAnewBehindAFailoverIsTwoValues
//	source, target or both fail over with a slot half-moved         TestAHalfMovedSlotIsClosedWithAllItsKeys
//	the target was told that it owns a slot, and nobody else        the same
//	a person left a slot half-moved                                 the same
//	the target of a half-moved slot is gone for good                TestAHalfMovedSlotWaitsForItsDeadEnd
//	a person fails a shard over in the middle of a run              TestAFailoverByHandDoesNotStopARun
//	a slot has keys and no owner                                    TestASlotThatNobodyOwnsIsNotGivenAway
//	the servers would rearrange a drained shard by themselves       TestADrainedShardIsNotRearrangedByTheServers
//	a sync takes long                                               TestALongSyncIsWaitedForAndNotBegunAgain
//	a new node has keys, slots, or another cluster's memory         TestAStaleNodesConfIsRefused
//	an address belongs to another cluster now                       the same
//	a forgotten node runs on                                        TestAForgottenNodeThatComesBackIsNoticed
//	all addresses change at once                                    TestEveryAddressChangesAtOnce
//	a commit names other servers throughout                         TestAClusterMovesToOtherServersAltogether
//	a server of another version, and two versions in one cluster    TestAServerOfAnotherVersionIsNotMet, TestAClusterIsGrownAndShrunkInTheMiddleOfAnUpgrade
//	a shard stands in one zone                                      TestShardsThatStandInOneZoneAreCrossedOneByOne
//	a command was renamed                                           TestARenamedCommandIsSaidPlainly

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec/slot"
)

// call sends one command to server i.
func (b *bench) call(i int, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := b.fleet.Client(b.fleet.Servers[i])
	defer c.Close()
	v, err := c.Do(ctx, args...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return v, err
}

// do sends one command to server i and demands that it is accepted.
func (b *bench) do(i int, args ...any) any {
	b.t.Helper()
	v, err := b.call(i, args...)
	if err != nil {
		b.t.Fatalf("%v at %s: %v", args, b.fleet.Servers[i].Name, err)
	}
	return v
}

// set sets a directive at servers.
func (b *bench) set(name, value string, servers ...int) {
	b.t.Helper()
	for _, i := range servers {
		b.do(i, "CONFIG", "SET", name, value)
	}
}

// id is the node ID of server i.
func (b *bench) id(i int) string { b.t.Helper(); return b.do(i, "CLUSTER", "MYID").(string) }

// info is a field of INFO at server i.
func (b *bench) info(i int, section, field string) string {
	b.t.Helper()
	_, rest, _ := strings.Cut(b.do(i, "INFO", section).(string), "\n"+field+":")
	value, _, _ := strings.Cut(rest, "\r")
	return value
}

// owner is the server that owns slot s, as server i knows. Redis 7.2 and newer,
// and Valkey, list a master that failed beside the one that took its place.
func (b *bench) owner(i, s int) int {
	b.t.Helper()
	shards, err := b.fleet.Client(b.fleet.Servers[i]).ClusterShards(context.Background()).Result()
	if err != nil {
		b.t.Fatal(err)
	}
	owner := -1
	for _, shard := range shards {
		if !slices.ContainsFunc(shard.Slots, func(r redis.SlotRange) bool { return r.Start <= int64(s) && int64(s) <= r.End }) {
			continue
		}
		for _, n := range shard.Nodes {
			if k := b.at(fmt.Sprintf("%s:%d", n.IP, n.Port)); n.Role == "master" && k >= 0 && (owner < 0 || n.Health == "online") {
				owner = k
			}
		}
	}
	return owner
}

// at is the server at an address, or -1.
func (b *bench) at(addr string) int {
	return slices.IndexFunc(b.fleet.Servers, func(s *livetest.Server) bool { return s.Addr == addr })
}

// replicaOf is the server that follows server i, as it knows itself.
func (b *bench) replicaOf(i int) int {
	b.t.Helper()
	for replica, master := range b.followed(i) {
		if master == b.fleet.Servers[i].Name {
			return b.index(replica)
		}
	}
	b.t.Fatalf("nobody follows %s", b.fleet.Servers[i].Name)
	return 0
}

// failover has a replica take over by hand.
func (b *bench) failover(replica int) {
	b.t.Helper()
	b.do(replica, "CLUSTER", "FAILOVER")
	b.until("everybody knows the new master", func() bool {
		for i := range b.fleet.Servers {
			if !slices.Contains(b.masters(i), b.fleet.Servers[replica].Name) {
				return false
			}
		}
		return true
	})
}

// keysOf are n keys of slot s.
func keysOf(s, n int) []string {
	for i := 0; ; i++ {
		if tag := fmt.Sprint("t", i); slot.Of(tag) == s {
			var keys []string
			for k := range n {
				keys = append(keys, fmt.Sprintf("{%s}:%d", tag, k))
			}
			return keys
		}
	}
}

// halfway begins by hand to move slot s, with the keys given, from one server
// to another, and moves the first n of them.
func (b *bench) halfway(s, from, to int, keys []string, n int) {
	b.t.Helper()
	b.do(to, "CLUSTER", "SETSLOT", s, "IMPORTING", b.id(from))
	b.do(from, "CLUSTER", "SETSLOT", s, "MIGRATING", b.id(to))
	host, port, _ := strings.Cut(b.fleet.Servers[to].Addr, ":")
	for _, k := range keys[:n] {
		b.do(from, "MIGRATE", host, port, k, 0, 5000)
	}
}

// put writes keys, each with itself as its value.
func (b *bench) put(keys []string) {
	b.t.Helper()
	c := b.fleet.Cluster()
	defer c.Close()
	for _, k := range keys {
		if err := c.Set(context.Background(), k, k, 0).Err(); err != nil {
			b.t.Fatal(err)
		}
	}
}

// found demands keys that put has written.
func (b *bench) found(keys []string) {
	b.t.Helper()
	c := b.fleet.Cluster()
	defer c.Close()
	for _, k := range keys {
		if got, err := c.Get(context.Background(), k).Result(); got != k {
			b.t.Errorf("%s is %q: %v", k, got, err)
		}
	}
}

// unmarked demands that no server shows a half-moved slot.
func (b *bench) unmarked() {
	b.t.Helper()
	for i, s := range b.fleet.Servers {
		if text := b.do(i, "CLUSTER", "NODES").(string); strings.Contains(text, "[") {
			b.t.Errorf("%s still shows a half-moved slot: %s", s.Name, text)
		}
	}
}

// heldBy demands that an apply is held, with a code and words.
func (b *bench) heldBy(file, code string, words ...string) {
	b.t.Helper()
	o := b.must(3, "apply", file, "--auto-approve", "--timeout", "4s")
	mentions(b.t, o.stdout+o.stderr, append(words, " "+code)...) // not part of a path
}
