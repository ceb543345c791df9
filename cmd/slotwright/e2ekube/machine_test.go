//go:build e2ekube

package e2ekube

import (
	"strings"
	"testing"
)

// loses switches a machine off until the test ends or the machine is given back.
func (b *bench) loses(machine string) (giveBack func()) {
	b.Helper()
	b.breaks("node", "stop", machine)
	away := true
	giveBack = func() {
		if away {
			away = false
			b.breaks("node", "start", machine)
			b.eventually(machine+" is back", func() bool { return b.machineReady(machine) == "True" })
		}
	}
	b.Cleanup(giveBack)
	return giveBack
}

// machineReady is what Kubernetes thinks of a machine: True, False or Unknown.
func (b *bench) machineReady(machine string) string {
	out, _ := b.tryKubectl("get", "node", machine, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	return out
}

// masterOf is the pod that is a master with slots, of those that fit.
func (b *bench) masterOf(fits func(pod) bool) pod {
	b.Helper()
	at := map[string]pod{}
	for _, p := range b.pods() {
		at[p.ip+":6379"] = p
	}
	for _, m := range b.members() {
		if p, ok := at[m.addr]; ok && m.master == "-" && m.slots != "" && fits(p) {
			return p
		}
	}
	b.Fatal("there is no such master")
	return pod{}
}

func anyPod(pod) bool { return true }

// tellsOf waits until the daemon has said all the words in one line.
func (d *daemon) tellsOf(b *bench, words ...string) {
	b.Helper()
	b.eventually("the daemon tells of "+strings.Join(words, ", "), func() bool {
		for line := range strings.Lines(d.log.String()) {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return true
			}
		}
		return false
	})
}

func TestAKubeletThatIsKilledStopsNobody(t *testing.T) {
	b, r, _ := followed(t)
	client := b.writes()
	before := b.pods()
	machine := before["orders-b-0"].node
	b.breaks("kubelet", "stop", machine)
	defer b.breaks("kubelet", "start", machine)
	b.eventually("Kubernetes has noticed", func() bool { return b.machineReady(machine) == "Unknown" })

	r.commit(b.topology(4, 1)) // on the machines that are left
	b.reaches(4, 1)
	now := b.pods()
	for name, p := range before {
		if now[name].uid != p.uid {
			t.Errorf("%s was made anew, though its server never ended", name)
		}
	}
	t.Logf("longest time without an answer: %s", client.end())
}

func TestAPodCutOffIsFailedOverAndWholeAgainWhenItIsBack(t *testing.T) {
	b, r, d := followed(t)
	client := b.writesHeld()

	cut := b.masterOf(anyPod)
	b.breaks("pod", "cut", b.namespace+"/"+cut.name)
	joined := false
	join := func() {
		if !joined {
			joined = true
			b.breaks("pod", "join", b.namespace+"/"+cut.name)
		}
	}
	defer join()
	b.eventually("its shard has another master", func() bool {
		for _, m := range b.members() {
			if m.addr == cut.ip+":6379" {
				return strings.Contains(m.flags, "fail") && m.slots == ""
			}
		}
		return false
	})
	client.goesOn()
	d.tellsOf(b, "NodeSilent", cut.name)
	r.commit(b.topology(4, 1)) // while one of them can't be asked
	b.eventually("the daemon took the commit in", func() bool {
		return len(b.pods()) == 8 || strings.Count(d.log.String(), "NodeSilent") > 1
	})
	join()
	b.reaches(4, 1)
	t.Logf("longest time without an answer: %s", client.end())
	if now := b.pods()[cut.name]; now.uid != cut.uid {
		t.Errorf("%s was made anew", cut.name)
	}
}

// Two of three masters, so that nobody can be elected until one is back.
func TestTwoMachinesOfTwoZonesAtOnceLoseNothing(t *testing.T) {
	b, _, d := followed(t)
	client := b.writesHeld()

	zones := b.zones()
	first := b.masterOf(anyPod)
	second := b.masterOf(func(p pod) bool { return zones[p.node] != zones[first.node] })
	one, two := b.loses(first.node), b.loses(second.node)
	d.tellsOf(b, "NodeSilent", first.name)
	d.tellsOf(b, "NodeSilent", second.name)
	one()
	two()
	b.reaches(3, 1)
	client.goesOn()
	t.Logf("longest time without an answer: %s", client.end())
}
