package kube

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// place tells where a seat stands. It exists when its StatefulSet is to have it,
// pod or not: a pod that is gone comes back by itself.
func (p *Platform) place(now *seen, s seat, zones, why map[string]string) cluster.Place {
	pod := now.pods[s.pod]
	out := cluster.Place{Name: s.pod, Zone: s.zone, Exists: s.ordinal < now.replicas(s.set)}
	if p.want.State == spec.Absent {
		out.Exists = now.sets[s.set] != nil || now.rest
	}
	if p.adopted() == "" {
		out.Alias = net.JoinHostPort(hostOf(p.want, s.pod), strconv.Itoa(clientPort))
	}
	if pod == nil {
		if out.Exists {
			out.Trouble = cmp.Or(why[s.pod], notMadeYet)
		}
		return out
	}
	if p.adopted() != "" {
		out.Zone, out.Host = zones[pod.Spec.NodeName], pod.Spec.NodeName
	} else {
		out.Outdated = now.outdated(s.set, pod, p)
		out.Exists = out.Exists && !(out.Outdated && replaceable(pod))
	}
	out.Memory = memoryOf(pod)
	if ip := pod.Status.PodIP; ip != "" && pod.Status.Phase == corev1.PodRunning {
		out.Addr = net.JoinHostPort(ip, strconv.Itoa(portOf(pod)))
		if out.Host == "" {
			out.Host = ip
		}
	}
	out.Trouble = trouble(pod, time.Now())
	if text := why[s.pod]; text != "" && (pod.Spec.NodeName == "" || pod.Status.PodIP == "") {
		out.Trouble += "; " + text
	}
	return out
}

// memoryOf is the memory limit of a pod's server, in bytes; 0 without one. The
// server is the container that listens for clients.
func memoryOf(pod *corev1.Pod) int64 {
	for _, c := range pod.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == "redis" || port.Name == "client" {
				return c.Resources.Limits.Memory().Value()
			}
		}
	}
	return 0
}

const notMadeYet = "its pod is not made yet"

// outdated reports whether a pod was made from another template than the one
// that the topology wants now.
func (s *seen) outdated(set string, pod *corev1.Pod, p *Platform) bool {
	for _, o := range p.of(statefulSets) {
		if o.GetName() == set {
			return pod.Annotations[templateMark] != markOf(o) || edited(o, s.sets[set], pod)
		}
	}
	return false // its zone is gone: it leaves
}

// edited reports whether a pod was made from a template that somebody had edited, by
// the revision that it has from its StatefulSet. While the edit is still there no pod
// is: all that would follow from it is undone together with it.
func edited(o *object, set *appsv1.StatefulSet, pod *corev1.Pod) bool {
	if set == nil || set.Status.ObservedGeneration != set.Generation || set.Status.UpdateRevision == "" {
		return false
	}
	revision := pod.Labels[appsv1.ControllerRevisionHashLabelKey]
	if revision == "" || revision == set.Status.UpdateRevision {
		return false
	}
	var want appsv1.StatefulSet
	return typed(o.Unstructured, &want) == nil && differs(&want, set) == ""
}

// replaceable reports whether a pod may be made anew, where the topology changed
// meanwhile, without anybody's leave: it serves nobody and its data stays.
func replaceable(pod *corev1.Pod) bool {
	return neverRan(pod) || crashes(pod) && slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == "data" && v.PersistentVolumeClaim != nil
	})
}

// crashes reports whether a pod's server ends again and again.
func crashes(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.Name == container && c.State.Waiting != nil && c.State.Waiting.Reason == "CrashLoopBackOff"
	})
}

// neverRan reports whether a pod's server has not begun once: its image is not
// there, or no machine has room. Such a pod holds nothing.
func neverRan(pod *corev1.Pod) bool {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == container {
			return c.State.Running == nil && c.State.Terminated == nil && c.LastTerminationState.Terminated == nil && c.RestartCount == 0
		}
	}
	return pod.Spec.NodeName == "" && pod.Status.Phase == corev1.PodPending && pod.DeletionTimestamp == nil
}

// portOf is where a pod's server listens: the port called redis, or the usual
// one. A pod that slotwright made has it.
func portOf(pod *corev1.Pod) int {
	for _, c := range pod.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == "redis" || port.Name == "client" {
				return int(port.ContainerPort)
			}
		}
	}
	return clientPort
}

// machines are the zones of the machines that adopted pods run on. Who may not
// read them gets none: then each machine is a domain of its own. What can't be
// read now is unknown, not without a zone: members would be moved for it.
func (p *Platform) machines(ctx context.Context, now *seen) (map[string]string, error) {
	out := map[string]string{}
	if p.adopted() == "" {
		return out, nil
	}
	for _, pod := range now.pods {
		name := pod.Spec.NodeName
		if _, known := out[name]; known || name == "" {
			continue
		}
		zone, err := p.zoneOf(ctx, name)
		switch {
		case apierrors.IsForbidden(err):
			return map[string]string{}, nil
		case err != nil:
			return nil, err
		}
		out[name] = zone
	}
	return out, nil
}

// zoneOf is a machine's zone; "" of one that is gone.
func (p *Platform) zoneOf(ctx context.Context, machine string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	nodes := p.api.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"})
	found, err := nodes.Get(ctx, machine, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read nodes %s: %w", machine, err)
	}
	return found.GetLabels()[topologyZone], nil
}

// lost is how long after its time a pod that ends may still be there before it
// is told of: its machine is gone, and nobody else may say so.
const lost = 15 * time.Second

// bound says what to do where a pod waits for the one machine that has its volume,
// in the scheduler's words, which differ between versions. Nobody but a
// person knows whether that machine comes back.
func bound(pod *corev1.Pod, said string) string {
	if !strings.Contains(said, "PersistentVolume's node affinity") && !strings.Contains(said, "volume node affinity conflict") {
		return ""
	}
	claims := strings.Join(claimsOf(pod), " ")
	return fmt.Sprintf("; if the machine with its volume is gone for good, give the data on it up: kubectl -n %s delete pvc %s --wait=false, then kubectl -n %s delete pod %s",
		pod.Namespace, claims, pod.Namespace, pod.Name)
}

// trouble is what may keep a pod's server from answering, in a clause of its
// own; "" when nothing is seen.
func trouble(pod *corev1.Pod, now time.Time) string {
	switch end := pod.DeletionTimestamp; {
	case end != nil && now.Sub(end.Time) > lost:
		return fmt.Sprintf("its pod should have ended at %s and its machine %s does not say that it has; if that machine is gone for good, kubectl -n %s delete pod %s --force",
			end.UTC().Format(time.TimeOnly), pod.Spec.NodeName, pod.Namespace, pod.Name)
	case end != nil:
		return "its pod is ending"
	case pod.Spec.NodeName == "":
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
				return "its pod is not scheduled: " + c.Message + bound(pod, c.Message)
			}
		}
		return "its pod is not scheduled yet"
	}
	for _, c := range pod.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "ContainerCreating":
			return fmt.Sprintf("its container %s waits: %s %s", c.Name, c.State.Waiting.Reason, c.State.Waiting.Message)
		case c.State.Terminated != nil:
			return fmt.Sprintf("its container %s has ended with code %d: %s", c.Name, c.State.Terminated.ExitCode, c.State.Terminated.Reason)
		}
	}
	if pod.Status.PodIP == "" {
		return "its pod is starting on " + pod.Spec.NodeName
	}
	return ""
}
