package kube

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/rest"

	"github.com/slotwright/slotwright/spec"
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

// Taken for a machine without a zone, it would have members moved.
func TestAMachineThatCannotBeReadNowHasAnUnknownZone(t *testing.T) {
	topology := load(t, "plain")
	topology.Platform.Kubernetes.Adopt = &spec.Adopt{StatefulSet: "redis-cluster"}
	now := &seen{pods: map[string]*corev1.Pod{"redis-cluster-0": {Spec: corev1.PodSpec{NodeName: "n0"}}}}
	for code, want := range map[int]struct {
		zones map[string]string
		fails bool
	}{
		http.StatusOK:                  {zones: map[string]string{"n0": "a"}},
		http.StatusNotFound:            {zones: map[string]string{"n0": ""}},
		http.StatusForbidden:           {zones: map[string]string{}},
		http.StatusInternalServerError: {fails: true},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			if code == http.StatusOK {
				_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"Node","metadata":{"name":"n0","labels":{"topology.kubernetes.io/zone":"a"}}}`))
			}
		}))
		client, err := connect(&rest.Config{Host: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(topology, client)
		if err != nil {
			t.Fatal(err)
		}
		zones, err := p.machines(t.Context(), now)
		if !maps.Equal(zones, want.zones) || (err != nil) != want.fails {
			t.Errorf("%d: %v, %v", code, zones, err)
		}
		server.Close()
	}
}

// What a pod without a claim has goes with it: it may be all that is left.
func TestAPodThatCrashesIsReplaceableOnlyWhereItsDataStays(t *testing.T) {
	claim := corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "c"}}
	waits := func(why string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: why}}
	}
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	for name, c := range map[string]struct {
		volume corev1.Volume
		server corev1.ContainerStatus
		want   bool
	}{
		"crashes, on a claim":      {corev1.Volume{Name: "data", VolumeSource: claim}, corev1.ContainerStatus{Name: "redis", State: waits("CrashLoopBackOff"), RestartCount: 2}, true},
		"crashes, without a claim": {corev1.Volume{Name: "data"}, corev1.ContainerStatus{Name: "redis", State: waits("CrashLoopBackOff"), RestartCount: 2}, false},
		"another claim":            {corev1.Volume{Name: "more", VolumeSource: claim}, corev1.ContainerStatus{Name: "redis", State: waits("CrashLoopBackOff"), RestartCount: 2}, false},
		"runs again":               {corev1.Volume{Name: "data", VolumeSource: claim}, corev1.ContainerStatus{Name: "redis", State: runs, RestartCount: 2}, false},
		"another's crash":          {corev1.Volume{Name: "data", VolumeSource: claim}, corev1.ContainerStatus{Name: "metrics", State: waits("CrashLoopBackOff"), RestartCount: 2}, false},
		"never ran":                {corev1.Volume{Name: "data"}, corev1.ContainerStatus{Name: "redis", State: waits("ImagePullBackOff")}, true},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "n", Volumes: []corev1.Volume{c.volume}}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{c.server}}}
		if got := replaceable(pod); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
