//go:build apiserver

package kube

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
)

// asked are the rights that requests needed and had, as "verb group/resource".
type asked struct {
	next http.RoundTripper
	mu   sync.Mutex
	all  map[string]bool
}

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := a.next.RoundTrip(r)
	if err == nil && answer.StatusCode == http.StatusForbidden {
		return answer, nil // such as to look for a ServiceMonitor that it may not make
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, right := range rightsOf(r.Method, r.URL) {
		a.all[right] = true
	}
	return answer, err
}

func (a *asked) has(right string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[right]
}

// rightsOf are what the API server authorizes a request as: "Request Verbs" in
// Kubernetes' documentation. All of them here are in a namespace. Server-side
// apply needs to create as well.
func rightsOf(method string, u *url.URL) []string {
	group, path, _ := strings.Cut(strings.TrimPrefix(u.Path, "/apis/"), "/")
	if core, ok := strings.CutPrefix(u.Path, "/api/"); ok {
		group, path = "", core
	}
	parts := strings.Split(path, "/") // VERSION/namespaces/NAMESPACE/RESOURCE/NAME
	resource, named := group+"/"+parts[3], len(parts) > 4
	verb := map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete", http.MethodGet: "list"}[method]
	switch {
	case u.Query().Get("watch") == "true":
		verb = "watch"
	case method == http.MethodGet && named:
		verb = "get"
	}
	if method == http.MethodPatch && u.Query().Get("force") == "true" {
		return []string{verb + " " + resource, "create " + resource}
	}
	return []string{verb + " " + resource}
}

// shipped applies the rights and the Lease's as deploy/kustomize has them, and
// gives a client of the ServiceAccount that has them and no other.
func (b *bench) shipped() (*Client, *asked, map[string]bool) {
	b.Helper()
	given := map[string]bool{}
	for _, file := range []string{"rights.yaml", "lease.yaml"} {
		text, err := os.ReadFile("../../../deploy/kustomize/base/" + file)
		b.must(err)
		for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
			o := &unstructured.Unstructured{}
			if err := d.Decode(&o.Object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			b.grant(o, given)
		}
	}
	config := rest.CopyConfig(apiServer.config)
	account := "system:serviceaccount:" + b.namespace + ":slotwright"
	config.Impersonate = rest.ImpersonationConfig{UserName: account, Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	seen := &asked{all: map[string]bool{}}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { seen.next = next; return seen })
	client, err := connect(config)
	b.must(err)
	return client, seen, given
}

func (b *bench) grant(o *unstructured.Unstructured, given map[string]bool) {
	b.Helper()
	resource := schema.GroupVersionResource{Group: rbacv1.GroupName, Version: "v1", Resource: "roles"}
	if o.GetKind() == "RoleBinding" {
		resource.Resource = "rolebindings"
		subjects, _, _ := unstructured.NestedSlice(o.Object, "subjects")
		subjects[0].(map[string]any)["namespace"] = b.namespace
		b.must(unstructured.SetNestedSlice(o.Object, subjects, "subjects"))
	}
	_, err := b.of(resource).Create(b, o, metav1.CreateOptions{})
	b.must(err)
	role := rbacv1.Role{}
	if o.GetKind() != "Role" {
		return
	}
	b.must(typed(o, &role))
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				given[verb+" "+rule.APIGroups[0]+"/"+resource] = true
			}
		}
	}
}

func TestTheShippedRightsAreThoseThatAreUsedAndNoOther(t *testing.T) {
	b := begins(t)
	client, seen, given := b.shipped()
	topology := load(t, "plain")
	topology.Platform.Kubernetes.Namespace, topology.Platform.Kubernetes.NetworkPolicy = b.namespace, true
	p, err := New(topology, client)
	b.must(err)
	cluster := b.wants(topology) // what the controllers do
	pod := seats(topology)[0].pod

	b.must(p.Start(b, []string{pod}))
	_, err = p.Places(b) // asks why there is no pod
	b.must(err)
	b.makePods(cluster)
	_, err = p.Places(b)
	b.must(err)
	_, err = p.Fixtures(b)
	b.must(err)
	b.must(p.KeepServed(b))
	_, err = p.Secret("none")
	if err == nil || !strings.Contains(err.Error(), "there is no Secret") {
		t.Errorf("a Secret that is not there: %v", err)
	}
	p.Changed()
	p.Rest()
	b.soon("all is watched", func() bool {
		return !slices.ContainsFunc(slices.Collect(maps.Keys(p.kinds())), func(kind schema.GroupVersionResource) bool {
			return !seen.has("watch " + kind.Group + "/" + kind.Resource)
		})
	})
	b.must(p.Close())
	restarted := make(chan error, 1)
	go func() { restarted <- p.Restart(b, pod) }()
	b.soon("the pod is restarted", func() bool { b.makePods(cluster); return len(restarted) > 0 })
	b.must(<-restarted)
	b.must(p.Stop(b, []string{pod}))
	b.must(client.Tell(b, topology, Note{Node: pod, Reason: "Stop", Text: "Stop"}))
	b.must(client.Lead(b, b.namespace+"/slotwright", func(string) {}, func(context.Context) error { return nil }))
	destroyed := make(chan error, 1)
	go func() { destroyed <- p.Destroy(b, nil) }()
	b.endSets(cluster)
	b.must(<-destroyed)

	if diff := cmp.Diff(sorted(given), sorted(seen.all)); diff != "" {
		t.Errorf("-given +used\n%s", diff)
	}
}

func (b *bench) soon(what string, yes func() bool) {
	b.Helper()
	for end := time.Now().Add(patience); !yes(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("not in time: %s", what)
		}
	}
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
