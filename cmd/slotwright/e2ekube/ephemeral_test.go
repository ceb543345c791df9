//go:build e2ekube

package e2ekube

import (
	"strings"
	"testing"
)

// The server ends at once and is started again by the kubelet, faster than
// anybody is elected, with whatever is on its disk: nothing is saved, but it was a
// replica once and got a snapshot.
func TestAMasterWithoutPersistenceThatEndsComesBackWithNothingOld(t *testing.T) {
	b := newBench(t)
	b.formed(3, b.topology(3, 1, "spec:\n", "spec:\n  config: {appendonly: \"no\"}\n"))
	client := b.writesHeld()
	master := b.masterOf(anyPod)
	follower := b.replicaOf(master)
	if ok, err := b.ask(follower.ip+":6379", "CLUSTER", "FAILOVER"); ok != "OK" {
		t.Fatal(err)
	}
	b.eventually("the replica leads", func() bool { return b.leads(follower) })
	b.eventually("the other follows", func() bool {
		text, _ := b.ask(follower.ip+":6379", "INFO", "replication")
		return strings.Contains(text, "state=online")
	})
	client.goesOn()
	client.goesOn()
	_, _ = b.ask(follower.ip+":6379", "SHUTDOWN", "NOSAVE")
	b.eventually("its slots are served", func() bool { return b.leads(follower) || b.leads(master) })
	b.reaches(3, 1)
	client.goesOn()
	t.Logf("longest time without an answer: %s", client.end())
}

// leads is whether a pod says that it is a master with slots.
func (b *bench) leads(p pod) bool {
	text, _ := b.ask(p.ip+":6379", "CLUSTER", "NODES")
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); strings.Contains(f[2], "myself,master") && len(f) > 8 {
			return true
		}
	}
	return false
}

// replicaOf is one of a master's.
func (b *bench) replicaOf(master pod) pod {
	b.Helper()
	shard := b.shardOf(master)
	for name, p := range b.pods() {
		if name != master.name && b.shardOf(p) == shard {
			return p
		}
	}
	b.Fatalf("%s has no replica", master.name)
	return pod{}
}
