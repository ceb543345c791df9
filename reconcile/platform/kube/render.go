package kube

import (
	"cmp"
	"embed"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/slotwright/slotwright/spec"
)

//go:embed scripts/*.sh
var scripts embed.FS

// The kinds of objects, as the API's paths name them.
var (
	configMaps      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	services        = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	pods            = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	claims          = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	secrets         = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	statefulSets    = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	budgets         = schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
	networkPolicies = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}
	serviceMonitors = schema.GroupVersionResource{Group: "monitoring.coreos.com", Version: "v1", Resource: "servicemonitors"}
)

// object is one object as the topology wants it.
type object struct {
	resource schema.GroupVersionResource
	*unstructured.Unstructured
}

// render are the objects that t wants, in the order they are made: what a pod
// needs to start comes before the StatefulSets. Their replicas are left out:
// how many pods there are is decided step by step. An adopted StatefulSet wants
// nothing.
func render(t spec.Topology) ([]*object, error) {
	if t.Platform.Kubernetes.Adopt != nil {
		return nil, nil
	}
	var sets []*appsv1.StatefulSet
	for _, zone := range t.Zones {
		pod, err := template(t, zone)
		if err != nil {
			return nil, err
		}
		sets = append(sets, statefulSet(t, zone, pod))
	}
	config, err := configMap(t, &sets[0].Spec.Template)
	if err != nil {
		return nil, err
	}
	var out []*object
	add := func(r schema.GroupVersionResource, kind string, typed any) {
		o := &object{r, &unstructured.Unstructured{Object: plain(typed)}}
		o.SetAPIVersion(r.GroupVersion().String())
		o.SetKind(kind)
		out = append(out, o)
	}
	add(configMaps, "ConfigMap", config)
	add(services, "Service", nodesService(t))
	add(services, "Service", clientService(t))
	add(budgets, "PodDisruptionBudget", budget(t))
	if t.Platform.Kubernetes.NetworkPolicy {
		add(networkPolicies, "NetworkPolicy", networkPolicy(t, &sets[0].Spec.Template))
	}
	if m := t.Platform.Kubernetes.ServiceMonitor; m != nil {
		add(serviceMonitors, "ServiceMonitor", serviceMonitor(t, m))
	}
	for _, s := range sets {
		add(statefulSets, "StatefulSet", s)
	}
	return out, nil
}

// plain is an object without what only the API server writes.
func plain(typed any) map[string]any {
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		panic("kube: " + err.Error()) // of our own objects
	}
	delete(out, "status")
	unstructured.RemoveNestedField(out, "metadata", "creationTimestamp")
	if templates, ok, _ := unstructured.NestedFieldNoCopy(out, "spec", "volumeClaimTemplates"); ok {
		for _, t := range templates.([]any) {
			delete(t.(map[string]any), "status")
		}
	}
	unstructured.RemoveNestedField(out, "spec", "template", "metadata", "creationTimestamp")
	return out
}

func meta(t spec.Topology, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: t.Platform.Kubernetes.Namespace, Labels: labels(t)}
}

func configMap(t spec.Topology, pod *corev1.PodTemplateSpec) (*corev1.ConfigMap, error) {
	out := &corev1.ConfigMap{ObjectMeta: meta(t, t.Name), Data: map[string]string{"redis.conf": redisConf(t, pod)}}
	files, err := scripts.ReadDir("scripts")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := scripts.ReadFile("scripts/" + f.Name())
		if err != nil {
			return nil, err
		}
		out.Data[f.Name()] = string(text)
	}
	return out, nil
}

// nodesService gives every pod a name, also while it is not ready: members find
// each other before there is a cluster.
func nodesService(t spec.Topology) *corev1.Service {
	out := &corev1.Service{ObjectMeta: meta(t, nodesName(t)), Spec: corev1.ServiceSpec{
		ClusterIP: corev1.ClusterIPNone, PublishNotReadyAddresses: true, Selector: selector(t),
		Ports: []corev1.ServicePort{port("redis", clientPort), port("bus", busPort)},
	}}
	out.Labels[componentLabel] = "nodes"
	return out
}

// clientService is where clients begin.
func clientService(t spec.Topology) *corev1.Service {
	return &corev1.Service{ObjectMeta: meta(t, t.Name), Spec: corev1.ServiceSpec{
		Selector: selector(t), Ports: []corev1.ServicePort{port("redis", clientPort)},
	}}
}

func port(name string, number int32) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Port: number, TargetPort: intstr.FromInt32(number), Protocol: corev1.ProtocolTCP}
}

// budget lets one pod of the cluster be evicted at a time: of two that go
// together, one may be the only replica of the other.
func budget(t spec.Topology) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{ObjectMeta: meta(t, t.Name), Spec: policyv1.PodDisruptionBudgetSpec{
		MaxUnavailable: new(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: selector(t)},
	}}
}

// networkPolicy keeps everybody but members from the bus: who reaches it can
// make the cluster forget its slots. The other ports that containers have, such as
// that of metrics, stay as open as they are without a policy.
func networkPolicy(t spec.Topology, pod *corev1.PodTemplateSpec) *networkingv1.NetworkPolicy {
	members := &metav1.LabelSelector{MatchLabels: selector(t)}
	bus := networkingv1.NetworkPolicyPeer{PodSelector: members}
	rules := []networkingv1.NetworkPolicyIngressRule{
		{Ports: openPorts(pod)},
		{Ports: []networkingv1.NetworkPolicyPort{policyPort(busPort, "")}, From: []networkingv1.NetworkPolicyPeer{bus}},
	}
	return &networkingv1.NetworkPolicy{ObjectMeta: meta(t, t.Name), Spec: networkingv1.NetworkPolicySpec{
		PodSelector: *members, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, Ingress: rules,
	}}
}

// openPorts are the clients' and those of other containers.
func openPorts(pod *corev1.PodTemplateSpec) []networkingv1.NetworkPolicyPort {
	out := []networkingv1.NetworkPolicyPort{policyPort(clientPort, "")}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, p := range c.Ports {
			if p.ContainerPort != clientPort && p.ContainerPort != busPort {
				out = append(out, policyPort(p.ContainerPort, p.Protocol))
			}
		}
	}
	return out
}

func policyPort(number int32, protocol corev1.Protocol) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Port: new(intstr.FromInt32(number)), Protocol: new(cmp.Or(protocol, corev1.ProtocolTCP))}
}

func serviceMonitor(t spec.Topology, m *spec.ServiceMonitor) *unstructured.Unstructured {
	out := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"selector":  map[string]any{"matchLabels": map[string]any{clusterLabel: t.Name, componentLabel: "nodes"}},
		"endpoints": []any{map[string]any{"targetPort": m.Port}},
	}}}
	out.SetName(t.Name)
	out.SetNamespace(t.Platform.Kubernetes.Namespace)
	all := map[string]string{}
	maps.Copy(all, m.Labels)
	maps.Copy(all, labels(t)) // by them it is known for ours
	out.SetLabels(all)
	return out
}

// statefulSet is a zone's. OnDelete, because a pod may be restarted only when
// nobody misses it, which the controller can't know. Parallel, because pods must
// come up in any order after all were lost.
func statefulSet(t spec.Topology, zone string, pod *corev1.PodTemplateSpec) *appsv1.StatefulSet {
	out := &appsv1.StatefulSet{ObjectMeta: meta(t, setName(t, zone)), Spec: appsv1.StatefulSetSpec{
		ServiceName: nodesName(t), PodManagementPolicy: appsv1.ParallelPodManagement,
		UpdateStrategy: appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType},
		Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{clusterLabel: t.Name, zoneLabel: zone}},
		Template:       *pod,
	}}
	out.Labels = zoneLabels(t, zone)
	if s := t.Platform.Kubernetes.Storage; s.Size != "" {
		out.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{claim(t, zone, s)}
		out.Spec.PersistentVolumeClaimRetentionPolicy = &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
			WhenScaled:  appsv1.PersistentVolumeClaimRetentionPolicyType(s.WhenScaled),
			WhenDeleted: appsv1.PersistentVolumeClaimRetentionPolicyType(s.WhenDeleted),
		}
	}
	return out
}

func claim(t spec.Topology, zone string, s spec.Storage) corev1.PersistentVolumeClaim {
	out := corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{Name: "data", Labels: zoneLabels(t, zone)},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(s.Size)}},
		},
	}
	if s.StorageClassName != "" {
		out.Spec.StorageClassName = &s.StorageClassName
	}
	return out
}

// of are the wanted objects of one kind.
func (p *Platform) of(r schema.GroupVersionResource) []*object {
	return slices.DeleteFunc(slices.Clone(p.set), func(o *object) bool { return o.resource != r })
}

func (o *object) String() string { return fmt.Sprintf("%s %s", o.GetKind(), o.GetName()) }
