//go:build apiserver

package kube

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

func TestEveryObjectOfEverythingIsAccepted(t *testing.T) {
	b := begins(t)
	p := b.platform("everything")
	b.must(p.Destroy(b, nil)) // of nothing
	wrong := func(p *Platform) []cluster.Fixture {
		out, err := p.Fixtures(b)
		b.must(err)
		return out
	}
	b.must(p.Furnish(b))
	want := []cluster.Fixture{{
		Name: "ServiceMonitor sessions", Text: "can't be made (the API server knows no such kind)",
		Lift: "install the Prometheus Operator and permit slotwright to make it (the chart's rbac.serviceMonitors), or take serviceMonitor out of the topology",
	}}
	if diff := cmp.Diff(want, wrong(p)); diff != "" {
		t.Errorf("without the Prometheus Operator: -want +got\n%s", diff)
	}
	b.installServiceMonitors(p)
	b.must(p.Furnish(b))
	if got := wrong(p); len(got) > 0 {
		t.Errorf("furnished, and still wrong: %+v", got)
	}
	topology := p.want
	topology.Platform.Kubernetes.ServiceMonitor, topology.Platform.Kubernetes.NetworkPolicy = nil, false
	without := b.wants(topology)
	if got := wrong(without); len(got) != 2 || got[1] != (cluster.Fixture{Name: "ServiceMonitor sessions", Text: "is not wanted any more"}) {
		t.Errorf("where it is not wanted any more: %+v", got)
	}
	b.must(without.Furnish(b))
	if got := wrong(without); len(got) > 0 {
		t.Errorf("furnished, and still wrong: %+v", got)
	}
}

// Who may look at everything in a namespace reads ServiceMonitors, and makes none.
func TestAServiceMonitorThatMayNotBeMadeIsNoObstacle(t *testing.T) {
	b := begins(t)
	admin := b.platform("plain")
	b.installServiceMonitors(admin)
	client, _, _ := b.shipped()
	for _, o := range []map[string]any{
		{"kind": "Role", "rules": []any{map[string]any{
			"apiGroups": []any{serviceMonitors.Group}, "resources": []any{serviceMonitors.Resource}, "verbs": []any{"get", "list", "watch"},
		}}},
		{
			"kind": "RoleBinding", "roleRef": map[string]any{"apiGroup": rbacv1.GroupName, "kind": "Role", "name": "view"},
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "slotwright"}},
		},
	} {
		o["apiVersion"], o["metadata"] = rbacv1.SchemeGroupVersion.String(), map[string]any{"name": "view"}
		b.grant(&unstructured.Unstructured{Object: o}, map[string]bool{})
	}
	topology := admin.want
	topology.Platform.Kubernetes.ServiceMonitor = &spec.ServiceMonitor{Port: "metrics"}
	p, err := New(topology, client)
	b.must(err)
	b.must(p.Start(b, []string{"orders-a-0"}))
	if got := b.replicas(p)["orders-a"]; got != 1 {
		t.Errorf("orders-a has %d replicas", got)
	}
	wrong, err := p.Fixtures(b)
	b.must(err)
	if len(wrong) != 1 || wrong[0].Lift == "" || !strings.Contains(wrong[0].Text, "forbidden") {
		t.Errorf("%+v", wrong)
	}
}

// installServiceMonitors has the API server know the kind, as the Prometheus Operator
// does, and waits until it serves it.
func (b *bench) installServiceMonitors(p *Platform) {
	b.Helper()
	kinds := b.client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	name := serviceMonitors.Resource + "." + serviceMonitors.Group
	_, err := kinds.Create(b, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"group": serviceMonitors.Group, "scope": "Namespaced",
			"names": map[string]any{"plural": serviceMonitors.Resource, "kind": "ServiceMonitor"},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{
				"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
			}}},
		},
	}}, metav1.CreateOptions{})
	b.must(err)
	b.Cleanup(func() {
		b.must(kinds.Delete(b, name, metav1.DeleteOptions{}))
		b.soon("the kind is gone", func() bool {
			_, left := kinds.Get(b, name, metav1.GetOptions{})
			_, served := p.api.get(b, serviceMonitors, "none")
			return apierrors.IsNotFound(left) && errors.Is(served, errUnknownKind)
		})
	})
	b.soon("the kind is served", func() bool {
		_, err := p.api.get(b, serviceMonitors, "none")
		return err == nil
	})
}

// The mark of the template says nothing of what people edit below it.
func TestATemplateThatSomebodyEditedIsPutBackAndItsPodsAreMadeAnew(t *testing.T) {
	b := begins(t)
	topology := b.platform("everything").want
	spec := topology.Platform.Kubernetes.PodTemplate["spec"].(map[string]any)
	delete(spec, "priorityClassName") // nobody has made one, and admission looks for it
	p := b.wants(topology)
	b.must(p.Start(b, []string{"sessions-eu-1a-0"}))
	wrong := func() []cluster.Fixture {
		out, err := p.Fixtures(b)
		b.must(err)
		return slices.DeleteFunc(out, func(f cluster.Fixture) bool { return f.Lift != "" })
	}
	if got := wrong(); len(got) > 0 {
		t.Errorf("nobody edited it: %+v", got)
	}
	set := func(change func(o *unstructured.Unstructured) (*unstructured.Unstructured, error)) {
		o, err := b.of(statefulSets).Get(b, "sessions-eu-1a", metav1.GetOptions{})
		b.must(err)
		_, err = change(o)
		b.must(err)
	}
	revision := func(name string) {
		set(func(o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			o.Object["status"] = map[string]any{"replicas": int64(1), "updateRevision": name, "observedGeneration": o.GetGeneration()}
			return b.of(statefulSets).UpdateStatus(b, o, metav1.UpdateOptions{})
		})
	}
	outdated := func() []string {
		places, err := p.Places(b)
		b.must(err)
		return names(places, func(p cluster.Place) bool { return p.Outdated })
	}
	set(func(o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		containers[0].(map[string]any)["image"] = "redis:edited"
		b.must(unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"))
		b.must(unstructured.SetNestedField(o.Object, "edited", "spec", "template", "metadata", "labels", appsv1.ControllerRevisionHashLabelKey))
		return b.of(statefulSets).Update(b, o, metav1.UpdateOptions{})
	})
	b.makePods(p) // each with the revision that the controller would give it
	revision("edited")
	if diff := cmp.Diff([]cluster.Fixture{{Name: "StatefulSet sessions-eu-1a", Text: editedText}}, wrong()); diff != "" {
		t.Errorf("edited: -want +got\n%s", diff)
	}
	if got := outdated(); len(got) > 0 {
		t.Errorf("while the edit is there %v are to be made anew", got)
	}
	b.must(p.Furnish(b))
	if got := wrong(); len(got) > 0 {
		t.Errorf("put back, and still wrong: %+v", got)
	}
	if got := outdated(); len(got) > 0 {
		t.Errorf("before the controller has seen it %v are to be made anew", got)
	}
	revision("ours")
	if diff := cmp.Diff([]string{"sessions-eu-1a-0"}, outdated()); diff != "" {
		t.Errorf("to be made anew: -want +got\n%s", diff)
	}
	revision("edited")
	if got := outdated(); len(got) > 0 {
		t.Errorf("%v are of the revision that pods are made of, and to be made anew", got)
	}
}

// kubectl edit may put something in the place of ours that ours can't stand beside.
func TestWhatSomebodyPutInThePlaceOfOursIsPutBack(t *testing.T) {
	b := begins(t)
	topology := b.platform("plain").want
	topology.Platform.Kubernetes.PodTemplate = map[string]any{"spec": map[string]any{
		"volumes": []any{map[string]any{"name": "scratch", "emptyDir": map[string]any{}}},
	}}
	p := b.wants(topology)
	b.must(p.Start(b, []string{"orders-a-0"}))
	b.must(p.KeepServed(b))
	edit := func(kind schema.GroupVersionResource, name string, change func(spec map[string]any)) {
		o, err := b.of(kind).Get(b, name, metav1.GetOptions{})
		b.must(err)
		change(o.Object["spec"].(map[string]any))
		_, err = b.of(kind).Update(b, o, metav1.UpdateOptions{FieldManager: "kubectl-edit"})
		b.must(err)
	}
	server := func(spec map[string]any) map[string]any {
		containers, _, _ := unstructured.NestedFieldNoCopy(spec, "template", "spec", "containers")
		return containers.([]any)[0].(map[string]any)
	}
	edit(services, "orders", func(spec map[string]any) { spec["ports"].([]any)[0].(map[string]any)["port"] = int64(7000) })
	edit(budgets, "orders", func(spec map[string]any) {
		delete(spec, "maxUnavailable")
		spec["minAvailable"] = int64(1)
	})
	edit(statefulSets, "orders-a", func(spec map[string]any) {
		server(spec)["livenessProbe"] = map[string]any{"exec": map[string]any{"command": []any{"true"}}}
	})
	edit(statefulSets, "orders-c", func(spec map[string]any) {
		all, _, _ := unstructured.NestedFieldNoCopy(spec, "template", "spec", "volumes")
		for i, v := range all.([]any) {
			if name := v.(map[string]any)["name"]; name == "scratch" {
				all.([]any)[i] = map[string]any{"name": name, "hostPath": map[string]any{"path": "/tmp"}}
			}
		}
	})
	edit(statefulSets, "orders-b", func(spec map[string]any) {
		server(spec)["env"].([]any)[0] = map[string]any{"name": "POD_IP", "value": "10.0.0.1"}
	})
	wrong, err := p.Fixtures(b)
	b.must(err)
	want := []cluster.Fixture{
		{Name: "Service orders", Text: "differs"}, {Name: "PodDisruptionBudget orders", Text: "differs"},
		{Name: "StatefulSet orders-a", Text: editedText}, {Name: "StatefulSet orders-b", Text: editedText}, {Name: "StatefulSet orders-c", Text: editedText},
	}
	if diff := cmp.Diff(want, wrong); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	b.must(p.Start(b, []string{"orders-a-1"}))
	if wrong, err = p.Fixtures(b); err != nil || len(wrong) > 0 {
		t.Errorf("put back, and still wrong: %+v, %v", wrong, err)
	}
	if _, err := p.Places(b); err != nil || !p.Served() {
		t.Errorf("that the cluster has served is forgotten, %v", err)
	}
}

func TestACopyOfAStatefulSetIsNotOfTheCluster(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-0"}))
	o, err := b.of(statefulSets).Get(b, "orders-a", metav1.GetOptions{})
	b.must(err)
	o.SetName("orders-a-copy")
	o.SetResourceVersion("")
	_, err = b.of(statefulSets).Create(b, o, metav1.CreateOptions{})
	b.must(err)
	if diff := cmp.Diff(map[string]int{"orders-a": 1, "orders-b": 0, "orders-c": 0}, b.replicas(p)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A cluster may have images come from a mirror: that is not an edit, and comes back.
func TestWhatAdmissionMakesOfATemplateIsNotPutBackAgainAndAgain(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	wrong := func() []cluster.Fixture {
		out, err := p.Fixtures(b)
		b.must(err)
		return out
	}
	image := func() string {
		o, err := b.of(statefulSets).Get(b, "orders-a", metav1.GetOptions{})
		b.must(err)
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		return containers[0].(map[string]any)["image"].(string)
	}
	b.mirrors("mirror.example/redis:7.2")
	b.must(p.Start(b, []string{"orders-a-0"}))
	b.soon("images come from the mirror", func() bool {
		b.must(p.Furnish(b))
		return image() == "mirror.example/redis:7.2"
	})
	if got := wrong(); len(got) > 0 {
		t.Errorf("with what admission made of it: %+v", got)
	}
	o, err := b.of(statefulSets).Get(b, "orders-a", metav1.GetOptions{})
	b.must(err)
	b.must(unstructured.SetNestedField(o.Object, int64(61), "spec", "template", "spec", "terminationGracePeriodSeconds"))
	_, err = b.of(statefulSets).Update(b, o, metav1.UpdateOptions{})
	b.must(err)
	if diff := cmp.Diff([]cluster.Fixture{{Name: "StatefulSet orders-a", Text: editedText}}, wrong()); diff != "" {
		t.Errorf("edited as well: -want +got\n%s", diff)
	}
}

// mirrors has the API server give the containers of StatefulSets in the namespace
// another image.
func (b *bench) mirrors(image string) {
	b.Helper()
	for resource, o := range map[string]map[string]any{
		"mutatingadmissionpolicies": {"kind": "MutatingAdmissionPolicy", "spec": map[string]any{
			"reinvocationPolicy": "Never",
			"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
				"apiGroups": []any{"apps"}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE", "UPDATE"}, "resources": []any{"statefulsets"},
			}}},
			"mutations": []any{map[string]any{"patchType": "JSONPatch", "jsonPatch": map[string]any{
				"expression": `[JSONPatch{op: "replace", path: "/spec/template/spec/containers/0/image", value: "` + image + `"}]`,
			}}},
		}},
		"mutatingadmissionpolicybindings": {"kind": "MutatingAdmissionPolicyBinding", "spec": map[string]any{
			"policyName":     b.namespace,
			"matchResources": map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": b.namespace}}},
		}},
	} {
		all := b.client.Resource(schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource})
		o["apiVersion"], o["metadata"] = "admissionregistration.k8s.io/v1", map[string]any{"name": b.namespace}
		_, err := all.Create(b, &unstructured.Unstructured{Object: o}, metav1.CreateOptions{})
		b.must(err)
		b.Cleanup(func() { all.Delete(context.Background(), b.namespace, metav1.DeleteOptions{}) })
	}
}
