//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A replica hangs, all call it failed, and another is listed instead. Its silence
// is no proof that it is gone; that a person says so is a permission.
func TestAReplicaThatHangsIsNotForgottenUnlessAPersonSaysSo(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 7})
	b.apply(b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6)}))
	b.fleet.Write(t, 500, 32)
	master := b.owner(0, 0)
	replica := b.replicaOf(master)
	name := b.fleet.Servers[replica].Name
	b.fleet.Pause(replica)
	b.until("the replica is flagged failed", func() bool { return strings.Contains(b.members(master)[name].flags, "fail") })
	hang := shape{masters: 3, replicas: 1, nodes: others(7, replica)}
	b.heldBy(b.write("without.yaml", hang), "NodeSilent", name, "allow.forget: ["+name+"]")
	for _, i := range others(7, replica) {
		if m := b.members(i); m[name].id == "" {
			t.Errorf("%s knows only %v", b.fleet.Servers[i].Name, m)
		}
	}
	hang.more = "  allow: {forget: [" + name + "]}\n"
	permitted := b.write("permitted.yaml", hang)
	o := b.must(0, "apply", permitted, "--auto-approve")
	mentions(t, o.stdout+o.stderr, "as allow.forget permits", name+" did not answer and was not reset")
	mentions(t, b.must(0, "plan", permitted).stdout, "allow.forget: ["+name+"] permits nothing now")
	b.fleet.Read(t, 500, 32)
}

// A replica lost its directory and came back as another node: the old one has no
// address any more, is never called failed, and is forgotten.
func TestANodeThatCameBackAsAnotherIsForgotten(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 6})
	file := b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6)})
	b.apply(file)
	b.fleet.Write(t, 500, 32)
	master := b.owner(0, 0)
	replica := b.replicaOf(master)
	old := b.id(replica)
	b.fleet.Wipe(replica)
	mentions(t, b.apply(file).stdout, "another node answers where it stood")
	for i := range 6 {
		if text := b.do(i, "CLUSTER", "NODES").(string); strings.Contains(text, old) {
			t.Errorf("the old node is still known:\n%s", text)
		}
	}
	b.fleet.Check(t)
	b.fleet.Read(t, 500, 32)
}

// A master lost its nodes.conf and came back before anybody was elected. Its keys
// are at its replica alone, which can't log in, and the hold says how to have them served.
func TestAMasterThatCameBackAsAnotherIsTakenOverByHand(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 6, Config: map[string]string{"cluster-node-timeout": "15000"}})
	file := b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6)})
	b.apply(file)
	keys := keysOf(7, 50)
	b.put(keys)
	master := b.owner(0, 7)
	replica := b.replicaOf(master)
	b.until("the replica has the keys", func() bool { return b.do(replica, "DBSIZE") == int64(len(keys)) })
	old := b.id(master)
	b.set("masterauth", "wrong", replica) // else it syncs with whoever answers there, and is empty, too
	b.fleet.Wipe(master)
	b.until("nobody has an address for the old master", func() bool {
		for _, i := range others(6, master) {
			if !strings.Contains(b.do(i, "CLUSTER", "NODES").(string), old+" :0@0 master,noaddr") {
				return b.owner(i, 7) == replica
			}
		}
		return true
	})
	if b.owner(replica, 7) == replica { // Valkey 9.1 elects within a second, whatever the node timeout
		b.apply(file)
		b.found(keys)
		b.fleet.Check(t)
		return
	}
	b.heldBy(file, "Replaced", b.fleet.Servers[replica].Name+" holds 50 keys", "CLUSTER FAILOVER TAKEOVER at "+b.fleet.Servers[replica].Name)
	b.do(replica, "CLUSTER", "FAILOVER", "TAKEOVER")
	b.set("masterauth", "", replica)
	b.apply(file)
	b.found(keys)
	b.fleet.Check(t)
}
