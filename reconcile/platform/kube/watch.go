package kube

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Changed tells when a pod of the cluster has come, gone, or got another address
// or readiness since the last time. The channel has room for one message: who
// comes late learns of all at once. Close ends it.
func (p *Platform) Changed() <-chan struct{} {
	p.mu.Lock()
	news := p.news
	if news == nil {
		news = make(chan struct{}, 1)
		p.news = news
	}
	p.mu.Unlock()
	p.attend(pods)
	return news
}

// Close ends the watches. The platform can be used again.
func (p *Platform) Close() error {
	p.mu.Lock()
	leave := p.leave
	p.news, p.leave, p.feeds, p.fresh = nil, nil, nil, false
	p.mu.Unlock()
	for _, end := range leave {
		end()
	}
	return nil
}

// attend listens to what there is of a kind, if p does not yet.
func (p *Platform) attend(kind schema.GroupVersionResource) {
	p.mu.Lock()
	_, already := p.feeds[kind]
	p.mu.Unlock()
	if already {
		return
	}
	about, ok := p.subject(kind)
	if !ok {
		return
	}
	f, leave := p.client.listen(about, p)
	p.mu.Lock()
	if p.feeds == nil {
		p.feeds = map[schema.GroupVersionResource]*feed{}
	}
	p.feeds[kind] = f
	p.leave = append(p.leave, leave)
	p.mu.Unlock()
	// Which pods an adopted StatefulSet has is known only after the first look:
	// what happened since was not heard.
	p.hear(p.adopted() != "" && kind == pods)
}

// subject is what of a kind is worth hearing of: all that slotwright made in the
// namespace, for whichever cluster, so that one watch does for many.
func (p *Platform) subject(kind schema.GroupVersionResource) (subject, bool) {
	out := subject{kind: kind, namespace: p.api.namespace, labels: clusterLabel}
	if p.adopted() == "" {
		return out, true
	}
	if kind == statefulSets {
		out.labels, out.name = "", p.adopted()
		return out, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out.labels = p.chosen
	return out, p.chosen != ""
}

// hear is told that something changed, or may have; wake is whether it is worth
// a look at once.
func (p *Platform) hear(wake bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = false
	if wake && p.news != nil {
		select {
		case p.news <- struct{}{}:
		default:
		}
	}
}

// shapeOf is what of an object is worth a look at once when it changes.
func shapeOf(kind schema.GroupVersionResource, o *unstructured.Unstructured) string {
	if kind == pods {
		return shape(o)
	}
	return ""
}

// shape is what of a pod is worth a look at its server.
func shape(o *unstructured.Unstructured) string {
	pod := corev1.Pod{}
	if typed(o, &pod) != nil {
		return "?"
	}
	ready := false
	for _, c := range pod.Status.Conditions {
		ready = ready || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	}
	return fmt.Sprint(pod.UID, pod.Status.PodIP, pod.DeletionTimestamp != nil, ready, trouble(&pod, time.Time{}))
}
