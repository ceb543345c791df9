//go:build apiserver

package kube

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slotwright/slotwright/spec"
)

// adopts is a platform that adopts a StatefulSet of so many pods, which somebody else
// made with more in its spec.
func (b *bench) adopts(replicas int64, more map[string]any) *Platform {
	b.Helper()
	labels := map[string]any{"app": "redis"}
	set := map[string]any{
		"replicas": replicas, "serviceName": "redis", "selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{
			"containers": []any{map[string]any{"name": "server", "image": "redis:7.0"}},
		}},
	}
	for key, value := range more {
		set[key] = value
	}
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": map[string]any{"name": "redis"}, "spec": set}}
	_, err := b.of(statefulSets).Create(b, o, metav1.CreateOptions{FieldManager: "helm"})
	b.must(err)
	topology := load(b.TB, "plain")
	topology.Zones, topology.Platform.Kubernetes = nil, &spec.Kubernetes{Namespace: b.namespace, Adopt: &spec.Adopt{StatefulSet: "redis"}}
	return b.wants(topology)
}

// Lowered past redis-6, which the topology does not know, it would lose that one.
func TestPodsThatAreNumberedOtherwiseAreNotTakenForThoseOfTheTopology(t *testing.T) {
	b := begins(t)
	p := b.adopts(7, map[string]any{"ordinals": map[string]any{"start": int64(1)}})
	if _, err := p.Places(b); err == nil || !strings.Contains(err.Error(), "numbers its pods from 1") {
		t.Errorf("%v", err)
	}
	if err := p.Stop(b, []string{"redis-6"}); err == nil {
		t.Error("lowered, and redis-7 has to go")
	}
	o, err := b.of(statefulSets).Get(b, "redis", metav1.GetOptions{})
	b.must(err)
	if n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); n != 7 {
		t.Errorf("it has %d replicas", n)
	}
}
