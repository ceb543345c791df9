package kube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/slotwright/slotwright/spec"
)

const (
	// secondsLeft is the variable that tells the pod its grace period.
	secondsLeft = "SECONDS_LEFT"
	// grace is how long a pod may take to end, in seconds: a hand-over, which the
	// server gives 5, and the server's own end.
	grace = 60
	// serverUser is who the server runs as: the user redis of the official images.
	serverUser = 999
)

// podTemplate is a pod that fits the restricted profile of the Pod Security
// Standards, before people's own template is merged into it.
func podTemplate(t spec.Topology, zone string) *corev1.PodTemplateSpec {
	return &corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: zoneLabels(t, zone)},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			TerminationGracePeriodSeconds: new(int64(grace)),
			SecurityContext:               podSecurity(),
			Affinity:                      inZone(zone),
			TopologySpreadConstraints:     []corev1.TopologySpreadConstraint{overHosts(t)},
			Containers:                    []corev1.Container{server(t)},
			Volumes:                       volumes(t),
		},
	}
}

func podSecurity() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsNonRoot: new(true), RunAsUser: new(int64(serverUser)), RunAsGroup: new(int64(serverUser)),
		FSGroup: new(int64(serverUser)), FSGroupChangePolicy: new(corev1.FSGroupChangeOnRootMismatch),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// inZone is what makes a zone of the topology a zone of the machines.
func inZone(zone string) *corev1.Affinity {
	term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
		{Key: topologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}},
	}}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}},
	}}
}

// overHosts spreads over the machines of a zone as far as there are any. The
// zone rule needs no more: members of a shard stand in different zones.
func overHosts(t spec.Topology) corev1.TopologySpreadConstraint {
	return corev1.TopologySpreadConstraint{
		MaxSkew: 1, TopologyKey: topologyHost, WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: selector(t)},
	}
}

func server(t spec.Topology) corev1.Container {
	script := func(name string) *corev1.ExecAction {
		return &corev1.ExecAction{Command: []string{"sh", "/slotwright/conf/" + name}}
	}
	return corev1.Container{
		Name: container, Image: image(t), Command: []string{"sh", "/slotwright/conf/start.sh"},
		Ports: []corev1.ContainerPort{{Name: "redis", ContainerPort: clientPort}, {Name: "bus", ContainerPort: busPort}},
		Env:   environment(t),
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: mounts(t),
		// A server that loads or is stuck in a command takes connections still: one
		// that does not is gone.
		LivenessProbe: &corev1.Probe{
			ProbeHandler:        corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("redis")}},
			InitialDelaySeconds: 10, PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 6,
		},
		ReadinessProbe: &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{Exec: script("ready.sh")}, PeriodSeconds: 5, TimeoutSeconds: 4, FailureThreshold: 2,
		},
		Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: script("leave.sh")}},
	}
}

func environment(t spec.Topology) []corev1.EnvVar {
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}}
	}
	out := []corev1.EnvVar{
		field("POD_IP", "status.podIP"),
		field("POD_NAME", "metadata.name"),
		{Name: "POD_HOST", Value: hostOf(t, "$(POD_NAME)")},
	}
	if t.Auth != nil && t.Auth.Username != "default" {
		out = append(out, corev1.EnvVar{Name: "SLOTWRIGHT_USER", Value: t.Auth.Username})
	}
	return out
}

// hostOf is the name that a pod announces. Members keep it with the node's ID,
// so that a pod without an address is still known for the node it is.
func hostOf(t spec.Topology, pod string) string {
	return pod + "." + nodesName(t) + "." + t.Platform.Kubernetes.Namespace + ".svc"
}

func mounts(t spec.Topology) []corev1.VolumeMount {
	out := []corev1.VolumeMount{
		{Name: "data", MountPath: "/data"},
		{Name: "conf", MountPath: "/slotwright/conf", ReadOnly: true},
		{Name: "run", MountPath: "/run/slotwright"},
	}
	if t.Auth != nil {
		out = append(out, corev1.VolumeMount{Name: "password", MountPath: "/slotwright/password", ReadOnly: true})
	}
	if t.TLS != nil {
		out = append(out, corev1.VolumeMount{Name: "tls", MountPath: "/slotwright/tls", ReadOnly: true})
	}
	return out
}

// volumes are all but the claim. What holds the password is in memory only.
func volumes(t spec.Topology) []corev1.Volume {
	memory := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}
	out := []corev1.Volume{
		{Name: "conf", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: t.Name},
		}}},
		{Name: "run", VolumeSource: memory},
	}
	secret := func(name, from string, items ...corev1.KeyToPath) {
		out = append(out, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: from, Items: items, DefaultMode: new(int32(0o440))},
		}})
	}
	if t.Auth != nil {
		secret("password", t.Auth.Password.SecretName, corev1.KeyToPath{Key: t.Auth.Password.SecretKey, Path: "password"})
	}
	if t.TLS != nil {
		secret("tls", t.TLS.Secret)
	}
	if t.Platform.Kubernetes.Storage.Size == "" {
		out = append(out, corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	return out
}
