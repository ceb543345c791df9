package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// An adopted pod's server is not called redis; it listens for clients.
func TestTheMemoryOfAPodIsItsServersLimit(t *testing.T) {
	limited := func(name, port, limit string) corev1.Container {
		c := corev1.Container{Name: name, Ports: []corev1.ContainerPort{{Name: port, ContainerPort: 6379}}}
		if limit != "" {
			c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)}
		}
		return c
	}
	for name, c := range map[string]struct {
		containers []corev1.Container
		want       int64
	}{
		"ours":            {[]corev1.Container{limited("redis", "redis", "4Gi")}, 4 << 30},
		"another's":       {[]corev1.Container{limited("metrics", "http", "64Mi"), limited("server", "client", "1Gi")}, 1 << 30},
		"without a limit": {[]corev1.Container{limited("redis", "redis", "")}, 0},
		"no server":       {[]corev1.Container{limited("metrics", "http", "64Mi")}, 0},
	} {
		if got := memoryOf(&corev1.Pod{Spec: corev1.PodSpec{Containers: c.containers}}); got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, got, c.want)
		}
	}
}
