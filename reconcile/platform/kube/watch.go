package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

// againAfter is the pause before a watch that broke is begun again.
const againAfter = 2 * time.Second

// Changed tells when a pod of the cluster has come, gone, or got another address
// or readiness since the last time. The channel has room for one message: who
// comes late learns of all at once. Close ends it.
func (p *Platform) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.news == nil {
		ctx, end := context.WithCancel(context.Background())
		p.news, p.end = make(chan struct{}, 1), end
		go p.follow(ctx, p.news)
	}
	return p.news
}

// Close ends the watch. The platform can be used again.
func (p *Platform) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.news != nil {
		p.end()
		p.news, p.end = nil, nil
	}
	return nil
}

// unseen are the pods while the API server does not list them. They are none that
// can be there, so that the next list is news: whoever could not look in the
// meantime looks again at once.
var unseen = map[string]string{"": ""}

// follow watches until ctx ends. After a break it lists again and compares, so
// nothing that happened meanwhile is missed.
func (p *Platform) follow(ctx context.Context, news chan<- struct{}) {
	var known map[string]string
	for ctx.Err() == nil {
		known = p.watchOnce(ctx, known, news)
		select {
		case <-ctx.Done():
		case <-time.After(againAfter):
		}
	}
}

func (p *Platform) watchOnce(ctx context.Context, known map[string]string, news chan<- struct{}) map[string]string {
	labels, err := p.podLabels(ctx)
	if err != nil {
		return unseen
	}
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	all, err := p.api.of(pods).List(limited, metav1.ListOptions{LabelSelector: labels})
	cancel()
	if err != nil {
		return unseen
	}
	now := map[string]string{}
	for i := range all.Items {
		now[all.Items[i].GetName()] = shape(&all.Items[i])
	}
	if known != nil && fmt.Sprint(known) != fmt.Sprint(now) {
		tell(news)
	}
	w, err := p.api.of(pods).Watch(ctx, metav1.ListOptions{LabelSelector: labels, ResourceVersion: all.GetResourceVersion()})
	if err != nil {
		return now
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		pod, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == watch.Error {
			return now
		}
		is := shape(pod)
		if e.Type == watch.Deleted {
			is = ""
		}
		if now[pod.GetName()] != is {
			now[pod.GetName()] = is
			tell(news)
		}
	}
	return now
}

// podLabels choose the pods of the cluster, and more where somebody else uses
// the same labels: a look sorts them out.
func (p *Platform) podLabels(ctx context.Context) (string, error) {
	if p.adopted() == "" {
		return p.ownLabels(), nil
	}
	_, labels, err := p.adoptedSet(ctx)
	return labels, err
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

func tell(news chan<- struct{}) {
	select {
	case news <- struct{}{}:
	default:
	}
}
