//go:build e2ekube

package e2ekube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// given applies a manifest; NAMESPACE in it is the test's.
func (b *bench) given(manifest string) {
	b.Helper()
	file := filepath.Join(b.dir, "given.yaml")
	b.must(os.WriteFile(file, []byte(strings.ReplaceAll(manifest, "NAMESPACE", b.namespace)), 0o600))
	b.kubectl("apply", "-f", file)
}

// holds waits until the daemon tells the reason in its status and in an Event.
func (b *bench) holds(d *daemon, reason string) {
	b.Helper()
	d.tellsOf(b, reason)
	b.eventually("an Event tells "+reason, func() bool {
		out, _ := b.tryKubectl("-n", b.namespace, "get", "events", "--field-selector=source=slotwright", "-o", "jsonpath={.items[*].message}")
		return strings.Contains(out, reason)
	})
}

func TestAFullQuotaIsToldAndTheClusterGrowsOnceThereIsRoom(t *testing.T) {
	b := newBench(t)
	b.given("{apiVersion: v1, kind: ResourceQuota, metadata: {name: small, namespace: NAMESPACE}, spec: {hard: {pods: '6'}}}")
	r, d := b.formed(3, b.topology(3, 1), "--timeout", "20s")
	client := b.writes()
	r.commit(b.topology(4, 1))
	b.holds(d, "exceeded quota: small")
	if text := b.misshape(3, 1); text != "" {
		t.Errorf("while the quota is full: %s", text)
	}
	b.in("delete", "resourcequota", "small")
	b.in("annotate", "statefulset", "orders-a", "orders-b", "slotwright/again=1", "--overwrite") // as the hold says
	b.reaches(4, 1)
	t.Logf("longest time without an answer: %s", client.end())
}

// policy refuses what an expression of the Common Expression Language says.
func policy(resources, operation, expression string) string {
	return `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAMESPACE}
spec:
  failurePolicy: Fail
  matchConstraints: {resourceRules: [{apiGroups: ["", apps], apiVersions: [v1], operations: [` + operation + `], resources: [` + resources + `]}]}
  validations: [{expression: "` + expression + `", message: "not on a Tuesday"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAMESPACE}
spec:
  policyName: NAMESPACE
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}}
`
}

func (b *bench) refuses(resources, operation, expression string) (permit func()) {
	b.Helper()
	b.given(policy(resources, operation, expression))
	permit = func() {
		b.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", b.namespace, "--ignore-not-found")
	}
	b.Cleanup(permit)
	return permit
}

// The slots have moved when the StatefulSet may not be lowered.
func TestAnAdmissionThatRefusesAShrinkLeavesNothingHalfRemoved(t *testing.T) {
	b := newBench(t)
	r, d := b.formed(4, b.topology(4, 1), "--timeout", "20s")
	client := b.writes()
	permit := b.refuses("statefulsets, statefulsets/scale", "UPDATE", "object.spec.replicas >= oldObject.spec.replicas")
	b.eventually("the policy works", func() bool {
		out, err := b.tryKubectl("-n", b.namespace, "scale", "statefulset", "orders-a", "--replicas=2", "--dry-run=server")
		return err != nil && strings.Contains(out, "Tuesday")
	})
	r.commit(b.topology(3, 1))
	b.holds(d, "not on a Tuesday")
	if n := len(b.pods()); n != 8 {
		t.Errorf("%d pods, though none may go", n)
	}
	client.goesOn()
	permit()
	b.reaches(3, 1)
	t.Logf("longest time without an answer: %s", client.end())
}

func TestPodsThatAnAdmissionRefusesAreToldAndComeOnceItPermitsThem(t *testing.T) {
	b := newBench(t)
	r, d := b.formed(3, b.topology(3, 1), "--timeout", "20s")
	client := b.writes()
	permit := b.refuses("pods", "CREATE", "!object.metadata.name.startsWith('orders-')")
	b.eventually("the policy works", func() bool {
		out, err := b.tryKubectl("-n", b.namespace, "run", "orders-x", "--image=redis:7.0", "--dry-run=server")
		return err != nil && strings.Contains(out, "Tuesday")
	})
	r.commit(b.topology(4, 1))
	b.holds(d, "not on a Tuesday")
	if text := b.misshape(3, 1); text != "" {
		t.Errorf("while pods are refused: %s", text)
	}
	client.goesOn()
	permit()
	b.in("annotate", "statefulset", "orders-a", "orders-b", "slotwright/again=1", "--overwrite") // as the hold says
	b.reaches(4, 1)
	t.Logf("longest time without an answer: %s", client.end())
}

func TestAClaimThatNeverBindsIsToldAndTheClusterFormsOnceItDoes(t *testing.T) {
	b := newBench(t)
	class := b.namespace
	text := b.topology(3, 1, "storage: {size: 1Gi}", "storage: {size: 1Gi, storageClassName: "+class+"}")
	r := b.repository()
	r.commit(text)
	d := b.follows(r, "--timeout", "20s")
	b.holds(d, class)
	b.Cleanup(func() { b.kubectl("delete", "storageclass", class, "--ignore-not-found") })
	b.given("{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: " + class + "}, provisioner: testbed/directory, parameters: {topology: topology.kubernetes.io/zone}, volumeBindingMode: WaitForFirstConsumer}")
	b.reaches(3, 1)
}
