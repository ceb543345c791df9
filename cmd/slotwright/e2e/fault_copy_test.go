//go:build e2e

package e2e

import (
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A master without persistence is started again before anybody notices: it owns
// its slots, holds nothing, and a client writes a key. Its replica can't log in,
// and has everything. It is to leave, and stays until a person has decided.
func TestAReplicaWithTheOnlyCopyIsNotRemoved(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 7, Config: map[string]string{"appendonly": "no", "cluster-node-timeout": "15000"}})
	b.apply(b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6)}))
	keys := keysOf(7, 50)
	b.put(keys)
	master := b.owner(0, 7)
	replica := b.replicaOf(master)
	b.until("the replica has the keys", func() bool { return b.do(replica, "DBSIZE") == int64(len(keys)) })
	b.set("masterauth", "wrong", replica)
	b.fleet.Kill(master)
	b.fleet.Again(master)
	b.until("the master serves again", func() bool { return b.trySet(keys[0]) })
	file := b.write("without.yaml", shape{masters: 3, replicas: 1, nodes: others(7, replica)})
	b.heldBy(file, "OnlyCopy", b.fleet.Servers[replica].Name, b.fleet.Servers[master].Name, "50 keys")
	if n := b.do(replica, "DBSIZE"); n != int64(len(keys)) {
		t.Errorf("the replica holds %v keys now", n)
	}
	b.set("masterauth", "", replica) // a person mends the link
	b.until("the replica is in sync", func() bool { return b.linked(replica) })
	b.apply(file)
}

// trySet reports whether a key can be written.
func (b *bench) trySet(key string) bool {
	c := b.fleet.Cluster()
	defer c.Close()
	return c.Set(b.t.Context(), key, key, 0).Err() == nil
}
