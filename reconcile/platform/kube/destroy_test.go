//go:build apiserver

package kube

import (
	"maps"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

func TestTheClusterIsRemovedInOrderAndClaimsStay(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-0", "orders-b-0"}))
	claim := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": map[string]any{"name": "data-orders-a-0"},
		"spec": map[string]any{"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}}}}
	_, err := b.of(claims).Create(b, claim, metav1.CreateOptions{})
	b.must(err)
	done := make(chan error, 1)
	go func() { done <- p.Destroy(b, nil) }()
	b.endSets(p) // what the garbage collector does
	b.must(<-done)
	for _, o := range p.set {
		if found, err := b.get(b, o.resource, o.GetName()); err != nil || found != nil {
			t.Errorf("%s is still there, %v", o, err)
		}
	}
	if found, err := b.get(b, claims, "data-orders-a-0"); err != nil || found == nil {
		t.Errorf("the claim is gone, %v", err)
	}
}

// endSets does what the controller does for StatefulSets that change, and lets those
// go that wait for their pods to be collected.
func (b *bench) endSets(p *Platform) {
	b.Helper()
	for ended := 0; ended < len(p.of(statefulSets)); {
		now, err := p.look(b)
		b.must(err)
		for name, set := range now.sets {
			o, err := b.of(statefulSets).Get(b, name, metav1.GetOptions{})
			b.must(err)
			if set.DeletionTimestamp == nil {
				o.Object["status"] = map[string]any{"replicas": int64(0), "observedGeneration": o.GetGeneration()}
				_, err = b.of(statefulSets).UpdateStatus(b, o, metav1.UpdateOptions{})
			} else {
				o.SetFinalizers(nil)
				_, err = b.of(statefulSets).Update(b, o, metav1.UpdateOptions{})
				ended++
			}
			if !apierrors.IsConflict(err) {
				b.must(err)
			}
		}
	}
}

// Somebody may have deleted the StatefulSets by hand before.
func TestWhatIsLeftOfAClusterWithoutStatefulSetsIsRemoved(t *testing.T) {
	b := begins(t)
	topology := b.platform("plain").want
	topology.Platform.Kubernetes.NetworkPolicy = true
	p := b.wants(topology)
	b.must(p.Furnish(b))
	b.service("others")
	for _, set := range p.of(statefulSets) {
		b.must(b.of(statefulSets).Delete(b, set.GetName(), metav1.DeleteOptions{}))
	}
	topology = b.platform("plain").want
	topology.State, topology.Allow.Delete = spec.Absent, "orders"
	gone := b.wants(topology)
	there := func() []string {
		places, err := gone.Places(b)
		b.must(err)
		return names(places, func(p cluster.Place) bool { return p.Exists })
	}
	if got := there(); len(got) != 6 {
		t.Errorf("with a Service and more of it there, only %v are", got)
	}
	b.must(gone.Destroy(b, nil))
	if got := there(); len(got) > 0 {
		t.Errorf("with all removed, %v are there", got)
	}
	for _, o := range p.set {
		if found, err := b.get(b, o.resource, o.GetName()); err != nil || found != nil {
			t.Errorf("%s is still there, %v", o, err)
		}
	}
	if found, err := b.get(b, services, "others"); err != nil || found == nil {
		t.Errorf("the Service of somebody else is gone, %v", err)
	}
}

// The commit that removes a cluster may be the one that keeps its data. Once a
// StatefulSet is being deleted, its claims go with it.
func TestClaimsStayWhereTheCommitThatRemovesTheClusterSaysSo(t *testing.T) {
	b := begins(t)
	topology := b.platform("plain").want
	topology.Platform.Kubernetes.Storage.WhenDeleted = spec.Delete
	p := b.wants(topology)
	b.must(p.Start(b, []string{"orders-a-0"}))
	topology = b.platform("plain").want
	topology.State, topology.Allow.Delete = spec.Absent, "orders"
	p = b.wants(topology)
	done := make(chan error, 1)
	go func() { done <- p.Destroy(b, nil) }()
	sets := func(which func(s *appsv1.StatefulSet) bool) int {
		now, err := p.look(b)
		b.must(err)
		maps.DeleteFunc(now.sets, func(_ string, s *appsv1.StatefulSet) bool { return !which(s) })
		return len(now.sets)
	}
	b.soon("the claims are to stay", func() bool {
		return sets(func(s *appsv1.StatefulSet) bool {
			return s.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted == spec.Retain
		}) == 3
	})
	time.Sleep(2 * pollEvery) // it looks again, and nobody has told the claims
	if n := sets(func(s *appsv1.StatefulSet) bool { return s.DeletionTimestamp != nil }); n > 0 {
		t.Errorf("%d StatefulSets are deleted before the controller has told the claims", n)
	}
	b.endSets(p)
	b.must(<-done)
}
