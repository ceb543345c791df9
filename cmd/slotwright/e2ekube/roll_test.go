//go:build e2ekube

package e2ekube

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

func TestWhatKeepsPodsFromRunningStopsAtTheFirstAndCanBeTakenBack(t *testing.T) {
	for what, c := range map[string]struct{ is, becomes, told string }{
		"an image that is not there": {"redis:7.0", "redis:none", "redis:none"},
		"a command that fails":       {"spec: {dns", `spec: {containers: [{name: redis, command: ["false"]}], dns`, "CrashLoopBackOff"},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t)
			b.apply(b.topology(3, 1))
			before := b.pods()
			client := b.writes()
			out := b.run(3, "apply", b.write(b.topology(3, 1, c.is, c.becomes)), "--auto-approve", "--timeout", "40s")
			if !strings.Contains(out, c.told) {
				t.Errorf("the reason is not told:\n%s", out)
			}
			if got := anew(before, b.pods()); len(got) != 1 {
				t.Errorf("changed were %v", got)
			}
			b.apply(b.topology(3, 1))
			b.rolls(client)
			b.shaped(3, 1)
		})
	}
}

// anew are the pods that were made since, by name.
func anew(before, now map[string]pod) []string {
	var out []string
	for name, p := range now {
		if before[name].uid != p.uid {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func TestWhatSomebodyDoesToAStatefulSetIsUndoneAndARolloutRestartGoesOverItsPods(t *testing.T) {
	b := newBench(t)
	b.apply(b.topology(3, 1))
	client := b.writes()
	b.in("patch", "statefulset", "orders-a", "--type=merge", "-p", `{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":61}}}}`)
	b.in("delete", "pod", "orders-a-1")
	b.eventually("the pod has the edited template", func() bool { return b.seconds("orders-a-1") == "61" })
	before := b.pods()
	out := b.apply(b.topology(3, 1))
	if !strings.Contains(out, "StatefulSet orders-a has a template that somebody edited") {
		t.Errorf("the reason is not told:\n%s", out)
	}
	if diff := cmp.Diff([]string{"orders-a-1"}, anew(before, b.pods())); diff != "" || b.seconds("orders-a-1") != "60" {
		t.Errorf("made anew: -want +got\n%s\nit has %s s", diff, b.seconds("orders-a-1"))
	}
	b.shaped(3, 1)

	b.in("rollout", "restart", "statefulset", "orders-a")
	before = b.pods()
	b.eventually("the controller has seen it", func() bool {
		file := b.write(b.topology(3, 1))
		c := b.command(t.Context(), "plan", file, "--detailed-exitcode")
		_ = c.Run()
		return c.ProcessState.ExitCode() == 2
	})
	b.apply(b.topology(3, 1))
	if diff := cmp.Diff([]string{"orders-a-0", "orders-a-1"}, anew(before, b.pods())); diff != "" {
		t.Errorf("made anew: -want +got\n%s", diff)
	}
	b.rolls(client)
	b.shaped(3, 1)
}

// seconds are a pod's grace period.
func (b *bench) seconds(pod string) string {
	b.Helper()
	out, _ := b.tryKubectl("-n", b.namespace, "get", "pod", pod, "-o", "jsonpath={.spec.terminationGracePeriodSeconds}")
	return out
}
