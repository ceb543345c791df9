//go:build e2ekube

package e2ekube

import (
	"strings"
	"testing"
	"time"
)

// handOver is how long a server gives its replica to take over (CLUSTER_MF_TIMEOUT).
const handOver = 5 * time.Second

// rolls demands that clients have lost no write and waited for no longer than one
// hand-over.
func (b *bench) rolls(client *traffic) {
	b.Helper()
	long := client.end()
	b.Logf("longest time without an answer: %s", long)
	if long > handOver {
		b.Errorf("clients had no answer for %s", long)
	}
}

func TestAnotherImageComesInWithoutALostWrite(t *testing.T) {
	b := newBench(t)
	b.apply(b.topology(3, 1))
	client := b.writes()
	out := b.apply(b.topology(3, 1, "redis:7.0", "redis:8.0"))
	b.rolls(client)
	b.shaped(3, 1)
	for name, p := range b.pods() {
		if p.image != "redis:8.0" {
			t.Errorf("%s runs %s", name, p.image)
		}
	}
	first, last := strings.Index(out, "stage begins: Restart"), strings.LastIndex(out, "stage begins: Restart")
	if p := strings.Index(out, "stage begins: Promote"); first < 0 || p < first || p > last {
		t.Errorf("masters were not handed over between the restarts:\n%s", out)
	}
}

func TestAnotherTemplateComesInWithoutALostWrite(t *testing.T) {
	b := newBench(t)
	b.apply(b.topology(3, 1))
	client := b.writes()
	b.apply(b.topology(3, 1, "podTemplate: {", "podTemplate: {metadata: {annotations: {team: orders}}, "))
	b.rolls(client)
	b.shaped(3, 1)
	told := b.in("get", "pods", "-l", "slotwright/cluster=orders", "-o", "jsonpath={.items[*].metadata.annotations.team}")
	if strings.Count(told, "orders") != 6 {
		t.Errorf("the pods say %q", told)
	}
}

func TestAMachineIsDrainedWhileSlotsMove(t *testing.T) {
	b, r, d := followed(t)
	client := b.writes()
	r.commit(b.topology(4, 1))
	d.tellsOf(b, "step begins", "Move")
	machine := b.pods()["orders-b-0"].node
	t.Cleanup(func() { b.kubectl("uncordon", machine) })
	b.kubectl("drain", machine, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=3m", "--pod-selector=slotwright/cluster=orders")
	b.reaches(4, 1)
	t.Logf("longest time without an answer: %s", client.end())
	for name, p := range b.pods() {
		if p.node == machine {
			t.Errorf("%s is still on %s", name, machine)
		}
	}
}

func TestAnImageThatIsNotThereStopsAtTheFirstPodAndCanBeTakenBack(t *testing.T) {
	b := newBench(t)
	b.apply(b.topology(3, 1))
	client := b.writes()
	out := b.run(3, "apply", b.write(b.topology(3, 1, "redis:7.0", "redis:none")), "--auto-approve", "--timeout", "40s")
	if !strings.Contains(out, "redis:none") {
		t.Errorf("the reason is not told:\n%s", out)
	}
	changed := 0
	for _, p := range b.pods() {
		if p.image == "redis:none" {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("%d pods have the image that is not there", changed)
	}
	b.apply(b.topology(3, 1))
	t.Logf("longest time without an answer: %s", client.end())
	b.shaped(3, 1)
}
