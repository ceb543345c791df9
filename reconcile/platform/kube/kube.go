// Package kube is the platform of pods: for each zone of a topology one
// StatefulSet, pinned to the zone, and what belongs around it. It is the only
// room that knows Kubernetes. It talks to no server, and it touches only objects
// that carry its labels, or the one StatefulSet that a topology says to adopt.
//
// What there is, is asked of the API every time; but where a daemon rests and
// watches say that nothing changed, the next look alone is the last one, see Rest.
// All writes are server-side apply, or carry the version that they were decided on,
// so that what changed in between is never overwritten.
package kube

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// manager is who owns the fields that slotwright applies.
const manager = "slotwright"

// Platform makes and removes the pods of one topology.
type Platform struct {
	want spec.Topology
	api  api
	set  []*object // what the topology wants, in the order it is made; nil for an adopted StatefulSet

	client *Client

	mu     sync.Mutex
	served bool          // at the last Places
	news   chan struct{} // nil while nobody waits for any
	feeds  map[schema.GroupVersionResource]*feed
	leave  []func() // ends the feeds
	chosen string   // the labels of an adopted StatefulSet's pods, once it was read

	places    []cluster.Place // the last
	fresh     bool            // nothing was heard since places were read, nor will be missed
	resting   bool            // the next Places may be those
	recalling bool            // the last Places were

	said sayings
}

// New makes the platform of t, whose Platform.Kubernetes must be set. Nothing
// is asked or written. A podTemplate that is none is an error.
func New(t spec.Topology, client *Client) (*Platform, error) {
	set, err := render(t)
	if err != nil {
		return nil, err
	}
	return &Platform{want: t, api: api{client.Interface, t.Platform.Kubernetes.Namespace}, set: set, client: client}, nil
}

// Check says what is wrong with the parts of t that only Kubernetes understands:
// the podTemplate and the resources. It needs no network.
func Check(t spec.Topology) error {
	_, err := render(t)
	return err
}

// adopted is the name of the StatefulSet that was adopted; "" where slotwright
// makes its own.
func (p *Platform) adopted() string {
	if a := p.want.Platform.Kubernetes.Adopt; a != nil {
		return a.StatefulSet
	}
	return ""
}

func where(t spec.Topology) string {
	return fmt.Sprintf("%s:%d: spec.platform.kubernetes", t.File, t.Line)
}
