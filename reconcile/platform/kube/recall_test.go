//go:build apiserver

package kube

import (
	"net/http"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// counted counts what is asked of the API server, but for watches.
type counted struct {
	next http.RoundTripper
	mu   sync.Mutex
	n    int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("watch") != "true" {
		c.mu.Lock()
		c.n++
		c.mu.Unlock()
	}
	return c.next.RoundTrip(r)
}

func (c *counted) since() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.n
	c.n = 0
	return n
}

// atRest is a cluster whose pods all run, watched, with the requests counted.
func (b *bench) atRest() (p *Platform, pass func() int) {
	b.Helper()
	count := &counted{}
	config := rest.CopyConfig(apiServer.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { count.next = next; return count })
	client, err := connect(config)
	b.must(err)
	want := load(b.TB, "plain")
	want.Platform.Kubernetes.Namespace = b.namespace
	p, err = New(want, client)
	b.must(err)
	b.Cleanup(func() { p.Close() })
	var all []string
	for _, s := range seats(want) {
		all = append(all, s.pod)
	}
	b.must(p.Start(b, all))
	b.makePods(p)
	for _, pod := range all { // what the scheduler does
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Binding", "metadata": map[string]any{"name": pod}, "target": map[string]any{"kind": "Node", "name": "k1"}}}
		_, err := b.of(pods).Create(b, o, metav1.CreateOptions{}, "binding")
		b.must(err)
	}
	pass = func() int {
		b.Helper()
		count.since()
		places, err := p.Places(b)
		b.must(err)
		if len(places) != len(all) {
			b.Fatalf("%d places", len(places))
		}
		_, err = p.Fixtures(b)
		b.must(err)
		return count.since()
	}
	b.soon("a pass at rest asks nothing", func() bool { p.Rest(); return pass() == 0 })
	return p, pass
}

func TestAPassAfterARestAsksNothingAndTheNextAsksAgain(t *testing.T) {
	b := begins(t)
	p, pass := b.atRest()
	if n := pass(); n == 0 {
		t.Error("steps would be planned by what is remembered: a pass without a rest before asked nothing")
	}
	p.Rest()
	if n := pass(); n != 0 {
		t.Errorf("a pass after a rest asked %d times", n)
	}
}

func TestWhatChangesWhileAllRestsIsSeenByTheNextPass(t *testing.T) {
	b := begins(t)
	p, pass := b.atRest()
	rested := func() { b.soon("all rests", func() bool { p.Rest(); return pass() == 0 }) }
	for what, change := range map[string]func() error{
		"a pod": func() error {
			b.status("orders-a-0", map[string]any{"phase": "Running", "podIP": "10.9.9.9", "podIPs": []any{map[string]any{"ip": "10.9.9.9"}}})
			return nil
		},
		"a StatefulSet": func() error {
			_, err := b.of(statefulSets).Patch(b, "orders-b", types.MergePatchType, []byte(`{"metadata":{"annotations":{"a":"b"}}}`), metav1.PatchOptions{})
			return err
		},
		"a Service": func() error {
			_, err := b.of(services).Patch(b, "orders", types.MergePatchType, []byte(`{"metadata":{"labels":{"slotwright/cluster":"other"}}}`), metav1.PatchOptions{})
			return err
		},
		"a ConfigMap": func() error { return b.of(configMaps).Delete(b, "orders", metav1.DeleteOptions{}) },
	} {
		rested()
		b.must(change())
		b.soon(what+" is asked for", func() bool { p.Rest(); return pass() > 0 })
		if what == "a Service" { // it is somebody else's until its label is back
			_, err := b.of(services).Patch(b, "orders", types.MergePatchType, []byte(`{"metadata":{"labels":{"slotwright/cluster":"orders"}}}`), metav1.PatchOptions{})
			b.must(err)
		}
		b.must(p.Furnish(b))
	}
}
