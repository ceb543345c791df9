//go:build e2e

package e2e

import (
	"bytes"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// What is listed as a new node is not one: it has keys, or slots, or wakes up
// with the memory of another cluster, or is a member of one that lives, perhaps
// at the address of a node that left. It is refused, with the reason, and
// neither it nor the cluster nor the other one is changed.
func TestAStaleNodesConfIsRefused(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 9})
	three := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
	b.apply(three)
	key, owner := keysOf(7, 1)[0], b.owner(0, 7)
	b.do(owner, "SET", key, "kept")
	other := b.write("other.yaml", shape{masters: 3, nodes: []int{3, 4, 5}})
	text, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	// Under the same name it would be the same cluster, told to move there.
	if err := os.WriteFile(other, bytes.Replace(text, []byte("name: orders"), []byte("name: others"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	b.must(0, "apply", other, "--auto-approve")
	b.do(3, "SET", b.keyAt(3), "of the other cluster")
	b.set("cluster-require-full-coverage", "no", 6)
	b.do(6, "CLUSTER", "ADDSLOTS", 1)
	b.until("n6 serves a slot", func() bool { _, err := b.call(6, "SET", keysOf(1, 1)[0], "x"); return err == nil })
	b.do(7, "CLUSTER", "ADDSLOTS", 2)
	host, port, _ := strings.Cut(b.fleet.Servers[8].Addr, ":")
	b.do(7, "CLUSTER", "MEET", host, port)
	b.until("n7 and n8 know each other", func() bool { return len(b.members(7)) == 2 && len(b.members(8)) == 2 })
	b.fleet.Kill(8) // all that is left of that cluster is what n7 remembers

	for _, c := range []struct {
		name, code string
		node       int
		as         string
	}{
		{"it has keys and slots", "NotEmpty", 6, ""},
		{"it remembers another cluster", "OtherCluster", 7, ""},
		{"it is a member of another cluster", "OtherCluster", 3, ""},
		{"the address of a member is another cluster's now", "OtherCluster", 4, "n2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := b.on(t)
			with := shape{masters: 4, nodes: []int{0, 1, 2, c.node}}
			if c.as != "" {
				with = shape{masters: 3, nodes: []int{0, 1, c.node}, names: map[int]string{c.node: c.as}}
			}
			file := b.write("new.yaml", with)
			b.untouched(first(8), func() {
				b.heldBy(file, c.code, b.name(with, c.node))
			})
		})
	}
	if got := b.do(owner, "GET", key); got != "kept" {
		t.Errorf("%s is %v", key, got)
	}
	b.settled(three)
	b.settled(other)
}

// name is what a file calls a server.
func (b *bench) name(s shape, i int) string {
	if name := s.names[i]; name != "" {
		return name
	}
	return b.fleet.Servers[i].Name
}

// keyAt is a key that server i owns.
func (b *bench) keyAt(i int) string {
	b.t.Helper()
	for s := 0; ; s += 100 {
		if b.owner(i, s) == i {
			return keysOf(s, 1)[0]
		}
	}
}

// A server of another version is not made a member.
func TestAServerOfAnotherVersionIsNotMet(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 4})
	b.apply(b.write("three.yaml", shape{masters: 3, nodes: first(3)}))
	four := b.write("four.yaml", shape{masters: 4, nodes: first(4), more: "  engine: {name: redis, version: \"99.1\"}\n"})
	b.untouched(first(4), func() { b.heldBy(four, "WrongEngine", "n3", "99.1") })
}

// All servers come back at other addresses at once, with their data. Nobody
// finds anybody any more; the file with the new addresses brings them together
// again, each as what it was, and no key is lost.
func TestEveryAddressChangesAtOnce(t *testing.T) {
	const keys = 3000
	b := newBench(t, livetest.Options{Servers: 6})
	b.apply(b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6)}))
	b.fleet.Write(t, keys, 32)
	ids := map[string]string{}
	for name, m := range b.members(0) {
		ids[name] = m.id
	}
	for i := range 6 {
		b.fleet.Kill(i)
	}
	for i, s := range b.fleet.Servers {
		host, port, err := net.SplitHostPort(s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		s.Addr = net.JoinHostPort(host, strconv.Itoa(n+100))
		b.fleet.Again(i)
	}
	b.apply(b.write("f.yaml", shape{masters: 3, replicas: 1, nodes: first(6)}))
	b.fleet.Check(t)
	for name, m := range b.members(0) {
		if ids[name] != m.id {
			t.Errorf("%s was %s and is %s", name, ids[name], m.id)
		}
	}
	b.fleet.Read(t, keys, 32)
}

// A commit that names other servers throughout moves the cluster there. The
// cluster that is not named any more is not taken for none, and a new one with
// no key in it put in its place.
func TestAClusterMovesToOtherServersAltogether(t *testing.T) {
	const keys = 3000
	b := newBench(t, livetest.Options{Servers: 6})
	b.apply(b.write("here.yaml", shape{masters: 3, nodes: first(3)}))
	b.fleet.Write(t, keys, 32)
	b.apply(b.write("there.yaml", shape{masters: 3, nodes: []int{3, 4, 5}}))
	for i := range 3 {
		if n := len(b.members(i)); n != 1 {
			t.Errorf("%s still knows %d nodes", b.fleet.Servers[i].Name, n)
		}
	}
	if n := len(b.members(3)); n != 3 {
		t.Errorf("the cluster has %d nodes", n)
	}
	b.fleet.Read(t, keys, 32)
}

// A node that was forgotten runs on and believes it is a member. Where some
// members still know it, the rest is done: it joins again with what it has. Where
// none does, it is a newcomer with keys to them, and that is said. Redis 7.2 and
// newer, and Valkey, tell each other whom to forget: there none does.
func TestAForgottenNodeThatComesBackIsNoticed(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 6})
	with := b.write("with.yaml", shape{masters: 3, replicas: 1, nodes: first(6)})
	b.apply(with)
	b.put(keysOf(7, 4))
	master := b.owner(0, 7)
	back := b.replicaOf(master)
	id := b.id(back)
	if strings.HasPrefix(b.info(0, "server", "redis_version"), "7.0.") {
		for _, i := range others(6, back) {
			if i != master {
				b.do(i, "CLUSTER", "FORGET", id)
			}
		}
		b.apply(with)
		b.fleet.Check(t)
		for i := range 6 {
			if n := len(b.members(i)); n != 6 {
				t.Errorf("%s knows %d nodes", b.fleet.Servers[i].Name, n)
			}
		}
		b.until("it follows and is in sync", func() bool { return b.linked(back) })
	}

	for _, i := range others(6, back) {
		b.do(i, "CLUSTER", "FORGET", id)
	}
	b.untouched(first(6), func() { b.heldBy(with, "NotEmpty", b.fleet.Servers[back].Name) })
	b.found(keysOf(7, 4))
}
