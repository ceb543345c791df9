//go:build e2ekube

package e2ekube

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// create has redis-cli make a cluster of addresses, as people do.
func (b *bench) create(addresses []string) {
	b.Helper()
	args := append([]string{"--cluster", "create"}, addresses...)
	args = append(args, "--cluster-replicas", "1", "--cluster-yes")
	if out, err := exec.Command("redis-cli", args...).CombinedOutput(); err != nil {
		b.Fatalf("redis-cli: %v\n%s", err, out)
	}
}

func TestPodsThatAreDeletedComeBackWithEveryKey(t *testing.T) {
	b, _, d := followed(t)
	client := b.writes()

	before := b.pods()
	b.in("delete", "pod", "orders-a-0", "--wait=true")
	b.eventually("another pod has the name", func() bool {
		p, ok := b.pods()["orders-a-0"]
		return ok && p.uid != before["orders-a-0"].uid
	})
	b.reaches(3, 1)

	t.Logf("longest time without an answer, one pod deleted: %s", client.end())
	b.turnOver(d, "orders-a-0", "orders-b-0", "orders-c-0") // half of the addresses
	b.turnOver(d, slices.Sorted(maps.Keys(b.pods()))...)
	client.check()
}

// turnOver has pods made anew all at once, which gives them other addresses, and
// waits until the daemon says that all is well: clients find everything then.
func (b *bench) turnOver(d *daemon, names ...string) {
	b.Helper()
	before := b.pods()
	b.in(append([]string{"delete", "pod", "--wait=true"}, names...)...)
	b.eventually("they are new", func() bool {
		now := b.pods()
		return !slices.ContainsFunc(names, func(name string) bool { return now[name].uid == "" || now[name].uid == before[name].uid })
	})
	begin, said := time.Now(), len(d.log.String())
	b.eventually("it is in sync", func() bool { return strings.Contains(d.log.String()[said:], "state=InSync") })
	b.reaches(3, 1)
	for _, addr := range b.addresses() {
		if !b.serves(addr) {
			b.Errorf("%s does not serve, or sends clients to where no pod is", addr)
		}
	}
	b.Logf("%d pods deleted: whole again %s after all had addresses", len(names), time.Since(begin).Round(time.Millisecond))
}

// serves says whether a server serves and knows everybody where they are now.
func (b *bench) serves(addr string) bool {
	b.Helper()
	state, err1 := b.ask(addr, "CLUSTER", "INFO")
	nodes, err2 := b.ask(addr, "CLUSTER", "NODES")
	if err1 != nil || err2 != nil || !strings.Contains(state, "cluster_state:ok") {
		return false
	}
	return !slices.ContainsFunc(b.addresses(), func(other string) bool { return !strings.Contains(nodes, " "+other+"@") })
}

// Each comes back as another node, and the one before it is not in the way.
func TestPodsWithoutVolumesThatAreDeletedAreReplacedOneByOne(t *testing.T) {
	b := newBench(t)
	b.formed(3, b.topology(3, 1, "      storage: {size: 1Gi}\n", ""))
	client := b.writesHeld()
	master := b.masterOf(anyPod)
	for _, gone := range []pod{b.replicaOf(master), master} {
		b.in("delete", "pod", gone.name, "--wait=true")
		b.eventually("another pod has the name", func() bool {
			p, ok := b.pods()[gone.name]
			return ok && p.uid != gone.uid
		})
		b.reaches(3, 1)
	}
	t.Logf("longest time without an answer: %s", client.end())
}

// Nothing holds the pods then, and they have no volumes: a StatefulSet of fewer
// replicas that adopts them would end the others with all they have.
func TestPodsOutliveTheirStatefulSets(t *testing.T) {
	b := newBench(t)
	b.formed(3, b.topology(3, 1, "      storage: {size: 1Gi}\n", ""))
	client, before := b.writes(), b.pods()
	b.in("delete", "statefulset", "--all", "--cascade=orphan", "--wait=true")
	b.eventually("there is one for each zone again", func() bool {
		return b.in("get", "statefulset", "-o", `jsonpath={range .items[*]}{.metadata.name}={.status.replicas} {end}`) == "orders-a=2 orders-b=2 orders-c=2 "
	})
	b.reaches(3, 1)
	for name, was := range before {
		if now := b.pods()[name]; now.uid != was.uid {
			t.Errorf("%s is another pod now", name)
		}
	}
	t.Logf("longest time without an answer: %s", client.end())
}

func TestPodsThatLoseTheirDataAreReportedAndNothingIsClaimed(t *testing.T) {
	b := newBench(t)
	text := b.topology(3, 1, "      storage: {size: 1Gi}\n", "")
	b.apply(text)
	before := b.pods()
	b.in("delete", "pod", "--all", "--wait=true")
	b.eventually("six other pods answer", func() bool {
		now := b.pods()
		for name, p := range now {
			if pong, err := b.ask(p.ip+":6379", "PING"); err != nil || pong != "PONG" || p.uid == before[name].uid {
				return false
			}
		}
		return len(now) == 6
	})
	out := b.run(3, "apply", b.write(text), "--auto-approve", "--timeout", "30s")
	if !strings.Contains(out, "Ask LostSlots") || strings.Contains(out, "Assign") {
		t.Errorf("the loss is not held:\n%s", out)
	}
	for _, m := range b.members() {
		if m.slots != "" {
			t.Errorf("%s claims slots %s", m.addr, m.slots)
		}
	}
	b.apply(strings.Replace(text, "spec:\n", "spec:\n  allow: {dataLoss: [0-16383]}\n", 1))
	b.shaped(3, 1)
}
