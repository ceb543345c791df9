package kube

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slotwright/slotwright/spec"
)

var events = schema.GroupVersionResource{Version: "v1", Resource: "events"}

// Note is something to tell in an Event.
type Note struct {
	Node    string // what it is about; "" for the cluster
	Warning bool
	Reason  string // one word in CamelCase: the kind of a step or the code of a hold
	Text    string // never holds a secret
}

// maxNote is how long the API server lets the text of an Event be.
const maxNote = 1024

// Tell makes an Event on the StatefulSet of the node, or the cluster's first.
func (c *Client) Tell(ctx context.Context, t spec.Topology, n Note) error {
	a := api{c.Interface, t.Platform.Kubernetes.Namespace}
	set := seats(t)[0].set
	if of, _, ok := split(n.Node); ok {
		set = of
	}
	about, err := a.get(ctx, statefulSets, set)
	if err != nil || about == nil {
		return err
	}
	kind, now := corev1.EventTypeNormal, metav1.NewTime(time.Now())
	if n.Warning {
		kind = corev1.EventTypeWarning
	}
	e := &corev1.Event{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta: metav1.ObjectMeta{GenerateName: t.Name + "-", Namespace: a.namespace, Labels: labels(t)},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "apps/v1", Kind: "StatefulSet", Namespace: a.namespace, Name: set, UID: about.GetUID(),
		},
		Type: kind, Reason: n.Reason, Message: n.Text[:min(len(n.Text), maxNote)],
		Source: corev1.EventSource{Component: manager}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err = a.of(events).Create(limited, &unstructured.Unstructured{Object: plain(e)}, metav1.CreateOptions{FieldManager: manager})
	return err
}
