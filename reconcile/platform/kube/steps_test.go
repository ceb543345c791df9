//go:build apiserver

package kube

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

func names(places []cluster.Place, which func(cluster.Place) bool) []string {
	var out []string
	for _, p := range places {
		if which(p) {
			out = append(out, p.Name)
		}
	}
	return out
}

func TestNodesAreKnownBeforeTheyExist(t *testing.T) {
	b := begins(t)
	places, err := b.platform("plain").Places(b)
	b.must(err)
	if len(places) != 6 {
		t.Fatalf("%d places", len(places))
	}
	for i, want := range []struct{ name, zone string }{
		{"orders-a-0", "a"}, {"orders-b-0", "b"}, {"orders-c-0", "c"}, {"orders-a-1", "a"}, {"orders-b-1", "b"}, {"orders-c-1", "c"},
	} {
		p := places[i]
		if p.Name != want.name || p.Zone != want.zone || !p.Listed || p.Exists || p.Addr != "" {
			t.Errorf("place %d is %+v", i, p)
		}
	}
}

func TestStartRaisesStatefulSetsAndNeverLowersThem(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-1", "orders-b-0"}))
	want := map[string]int{"orders-a": 2, "orders-b": 1, "orders-c": 0}
	if diff := cmp.Diff(want, b.replicas(p)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	b.must(p.Start(b, []string{"orders-a-0", "orders-c-1"}))
	want = map[string]int{"orders-a": 2, "orders-b": 1, "orders-c": 2}
	if diff := cmp.Diff(want, b.replicas(p)); diff != "" {
		t.Errorf("after the second: -want +got\n%s", diff)
	}
	places, err := p.Places(b)
	b.must(err)
	if diff := cmp.Diff([]string{"orders-b-1"}, names(places, func(p cluster.Place) bool { return !p.Exists })); diff != "" {
		t.Errorf("not there: -want +got\n%s", diff)
	}
}

func TestANetworkPolicyThatIsNotWantedAnyMoreIsRemoved(t *testing.T) {
	b := begins(t)
	topology := load(t, "plain")
	topology.Platform.Kubernetes.Namespace = b.namespace
	there := func() bool {
		found, err := b.platform("plain").api.get(b, networkPolicies, "orders")
		b.must(err)
		return found != nil
	}
	open := b.wants(topology)
	topology.Platform.Kubernetes.NetworkPolicy = true
	closed := b.wants(topology)
	for _, removes := range []func() error{func() error { return open.Furnish(b) }, func() error { return open.tidy(b) }} {
		b.must(closed.Furnish(b))
		wrong, err := open.Fixtures(b)
		b.must(err)
		if want := []cluster.Fixture{{Name: "NetworkPolicy orders", Text: "is not wanted any more"}}; !there() || cmp.Diff(want, wrong) != "" {
			t.Errorf("told: %+v", wrong)
		}
		b.must(removes())
		if there() {
			t.Error("it is still there")
		}
	}
}

func TestStopTakesOnlyTheHighestOrdinals(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-3", "orders-b-1"}))
	if err := p.Stop(b, []string{"orders-a-1", "orders-a-2"}); err == nil || !strings.Contains(err.Error(), "higher numbers") {
		t.Errorf("it left out a pod in the middle: %v", err)
	}
	if got := b.replicas(p)["orders-a"]; got != 4 {
		t.Fatalf("orders-a has %d replicas", got)
	}
	b.must(p.Stop(b, []string{"orders-a-2", "orders-a-3"}))
	want := map[string]int{"orders-a": 2, "orders-b": 2, "orders-c": 0}
	if diff := cmp.Diff(want, b.replicas(p)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	b.must(p.Stop(b, []string{"orders-a-2", "orders-a-3"}))
}

func TestAStatefulSetThatChangedMeanwhileIsNotScaled(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-1"}))
	now, err := p.look(b)
	b.must(err)
	old := now.sets["orders-a"].ResourceVersion
	b.must(p.Start(b, []string{"orders-a-2"}))
	if err := p.api.scale(b, "orders-a", old, 0); err == nil {
		t.Error("lowered on what was seen before it was raised")
	}
	if got := b.replicas(p)["orders-a"]; got != 3 {
		t.Errorf("orders-a has %d replicas", got)
	}
}

func TestAStatefulSetIsKnownForItsZoneWithoutThatLabel(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-0", "orders-a-2"}))
	_, err := b.of(statefulSets).Patch(b, "orders-a", types.MergePatchType, []byte(`{"metadata":{"labels":{"slotwright/zone":null}}}`), metav1.PatchOptions{})
	b.must(err)
	places, err := p.Places(b)
	b.must(err)
	there := names(places, func(p cluster.Place) bool { return p.Exists && p.Zone == "a" })
	if diff := cmp.Diff([]string{"orders-a-0", "orders-a-1", "orders-a-2"}, there); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// pause calls meanwhile before the first request that applies a StatefulSet.
type pause struct {
	next      http.RoundTripper
	meanwhile func()
	once      sync.Once
}

func (p *pause) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/statefulsets/orders-a") {
		p.once.Do(p.meanwhile)
	}
	return p.next.RoundTrip(r)
}

// A daemon that stood still after it had counted the pods goes on while another
// leads.
func TestWhoComesLateDoesNotLowerAStatefulSet(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-1"}))
	config := rest.CopyConfig(apiServer.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &pause{next: next, meanwhile: func() { b.must(p.Start(b, []string{"orders-a-2"})) }}
	})
	client, err := connect(config)
	b.must(err)
	late, err := New(p.want, client)
	b.must(err)
	b.must(late.Furnish(b))
	if got := b.replicas(p)["orders-a"]; got != 3 {
		t.Errorf("orders-a has %d replicas", got)
	}
}

// kubectl delete statefulset --cascade=orphan is how people get by what can't be
// changed on one.
func TestAStatefulSetThatIsMadeAgainHasThePodsThatWereLeft(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-3", "orders-b-0"}))
	b.makePods(p)
	now, err := p.look(b)
	b.must(err)
	for name := range now.pods {
		_, err := b.of(pods).Patch(b, name, types.MergePatchType, []byte(`{"metadata":{"ownerReferences":null}}`), metav1.PatchOptions{})
		b.must(err)
	}
	b.must(b.of(pods).Delete(b, "orders-a-1", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
	for _, name := range []string{"orders-a", "orders-b"} {
		b.must(b.of(statefulSets).Delete(b, name, metav1.DeleteOptions{}))
	}
	b.must(p.Furnish(b))
	want := map[string]int{"orders-a": 4, "orders-b": 1, "orders-c": 0}
	if diff := cmp.Diff(want, b.replicas(p)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func (b *bench) service(name string) {
	b.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": name}, "spec": map[string]any{
		"clusterIP": "None", "selector": map[string]any{"app": "somebody"}, "ports": []any{map[string]any{"port": int64(80)}},
	}}}
	_, err := b.of(services).Create(b, o, metav1.CreateOptions{})
	b.must(err)
}

func TestANameThatIsTakenIsNotTouched(t *testing.T) {
	b := begins(t)
	b.service("orders-nodes")
	p := b.platform("plain")
	wrong, err := p.Fixtures(b)
	b.must(err)
	taken := 0
	for _, f := range wrong {
		if f.Taken {
			taken++
			if f.Name != "Service orders-nodes" {
				t.Errorf("taken: %+v", f)
			}
		}
	}
	if taken != 1 {
		t.Errorf("%d names are taken: %+v", taken, wrong)
	}
	if err := p.Start(b, []string{"orders-a-0"}); !errors.Is(err, errTaken) {
		t.Errorf("started: %v", err)
	}
	if got := b.replicas(p); len(got) != 0 {
		t.Errorf("StatefulSets were made: %v", got)
	}
	o, err := b.of(services).Get(b, "orders-nodes", metav1.GetOptions{})
	b.must(err)
	if app, _, _ := unstructured.NestedString(o.Object, "spec", "selector", "app"); app != "somebody" || p.ours(o) {
		t.Errorf("the other's service was changed: %v", o.Object["spec"])
	}
	topology := p.want
	topology.State, topology.Allow.Delete = spec.Absent, "orders"
	p = b.wants(topology)
	b.must(p.Destroy(b, nil))
	if o, err := b.get(b, services, "orders-nodes"); err != nil || o == nil {
		t.Errorf("the other's service is gone: %v", err)
	}
}

func TestWhatSomebodyChangedIsSeenAndPutBack(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-0"}))
	b.must(b.of(budgets).Delete(b, "orders", metav1.DeleteOptions{}))
	o, err := b.of(services).Get(b, "orders", metav1.GetOptions{})
	b.must(err)
	b.must(unstructured.SetNestedField(o.Object, "x", "spec", "selector", clusterLabel))
	_, err = b.of(services).Update(b, o, metav1.UpdateOptions{})
	b.must(err)
	wrong, err := p.Fixtures(b)
	b.must(err)
	want := []cluster.Fixture{{Name: "Service orders", Text: "differs"}, {Name: "PodDisruptionBudget orders", Text: "is missing"}}
	if diff := cmp.Diff(want, wrong); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	b.must(p.Furnish(b))
	if wrong, err = p.Fixtures(b); err != nil || len(wrong) > 0 {
		t.Errorf("%+v, %v", wrong, err)
	}
	if got := b.replicas(p)["orders-a"]; got != 1 {
		t.Errorf("orders-a has %d replicas", got)
	}
}

// With one label more a Service leads nowhere, a budget lets every pod be evicted, and
// a policy leaves the bus open.
func TestASelectorThatSomebodyNarrowedIsPutBack(t *testing.T) {
	b := begins(t)
	p := b.platform("everything")
	for _, o := range p.set[:5] {
		b.must(p.api.apply(b, o))
	}
	for kind, where := range map[schema.GroupVersionResource]string{
		services: `"selector":{"app":"x"}`, budgets: `"selector":{"matchLabels":{"app":"x"}}`, networkPolicies: `"podSelector":{"matchLabels":{"app":"x"}}`,
	} {
		_, err := b.of(kind).Patch(b, "sessions", types.MergePatchType, []byte(`{"spec":{`+where+`}}`), metav1.PatchOptions{})
		b.must(err)
	}
	wrong := func() []string {
		all, err := p.Fixtures(b)
		b.must(err)
		var out []string
		for _, f := range all {
			if f.Text == "differs" {
				out = append(out, f.Name)
			}
		}
		return out
	}
	if diff := cmp.Diff([]string{"Service sessions", "PodDisruptionBudget sessions", "NetworkPolicy sessions"}, wrong()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, o := range p.set[:5] {
		b.must(p.api.apply(b, o))
	}
	if got := wrong(); len(got) > 0 {
		t.Errorf("put back, and %v still differ", got)
	}
}

func TestAnotherSizeOfVolumesIsToldAndChangesNothing(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-0"}))
	p.want.Platform.Kubernetes.Storage.Size = "2Gi"
	p = b.wants(p.want)
	wrong, err := p.Fixtures(b)
	b.must(err)
	if len(wrong) != 3 || wrong[0].Lift == "" || !strings.Contains(wrong[0].Text, "1Gi") || !strings.Contains(wrong[0].Text, "2Gi") {
		t.Errorf("%+v", wrong)
	}
	b.must(p.Start(b, []string{"orders-a-1"}))
	if got := b.replicas(p)["orders-a"]; got != 2 {
		t.Errorf("orders-a has %d replicas", got)
	}
}

func TestStorageThatComesTooLateIsToldAndPodsAreMadeWithout(t *testing.T) {
	b := begins(t)
	topology := b.platform("plain").want
	topology.Platform.Kubernetes.Storage = spec.Storage{}
	p := b.wants(topology)
	b.must(p.Start(b, []string{"orders-a-0"}))
	p = b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-1"}))
	if got := b.replicas(p)["orders-a"]; got != 2 {
		t.Errorf("orders-a has %d replicas", got)
	}
	wrong, err := p.Fixtures(b)
	b.must(err)
	if len(wrong) != 3 || wrong[0].Lift == "" || !strings.Contains(wrong[0].Text, "made with storage, or without") {
		t.Errorf("%+v", wrong)
	}
}

func TestPodsSayWhereTheyAreAndWhatTheyLack(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-a-0"}))
	b.makePods(p)
	place := func() cluster.Place {
		places, err := p.Places(b)
		b.must(err)
		return places[0]
	}
	if got := place(); got.Addr != "10.1.0.1:6379" || !got.Exists || got.Outdated || got.Alias != "orders-a-0.orders-nodes."+b.namespace+".svc:6379" {
		t.Errorf("%+v", got)
	}
	const message = "0/3 nodes are available: 3 Insufficient memory."
	b.status("orders-a-0", map[string]any{"phase": "Pending", "conditions": []any{
		map[string]any{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message},
	}})
	if got := place(); got.Addr != "" || !got.Exists || !strings.Contains(got.Trouble, message) {
		t.Errorf("unscheduled: %+v", got)
	}
	p = b.platform("plain", "redis:8.0")
	if got := place(); !got.Outdated {
		t.Errorf("with another image: %+v", got)
	}
}

func TestAPodThatDoesNotRunIsMadeAnewWhenItsTemplateChanged(t *testing.T) {
	b := begins(t)
	p := b.platform("plain", "redis:none")
	three := []string{"orders-a-0", "orders-b-0", "orders-c-0"}
	b.must(p.Start(b, three))
	b.makePods(p)
	waits := map[string]any{"name": "redis", "image": "redis:none", "imageID": "", "ready": false, "restartCount": int64(0),
		"state": map[string]any{"waiting": map[string]any{"reason": "ImagePullBackOff", "message": "no such image"}}}
	b.status("orders-a-0", map[string]any{"phase": "Pending", "podIP": "10.1.0.1", "podIPs": []any{map[string]any{"ip": "10.1.0.1"}}, "containerStatuses": []any{waits}})
	crashes := map[string]any{"name": "redis", "image": "redis:none", "imageID": "", "ready": false, "restartCount": int64(3),
		"state": map[string]any{"waiting": map[string]any{"reason": "CrashLoopBackOff"}}}
	b.status("orders-c-0", map[string]any{"phase": "Running", "podIP": "10.1.0.3", "podIPs": []any{map[string]any{"ip": "10.1.0.3"}}, "containerStatuses": []any{crashes}})
	gone := func() []string {
		places, err := p.Places(b)
		b.must(err)
		return names(places[:3], func(p cluster.Place) bool { return !p.Exists })
	}
	if got := gone(); len(got) > 0 {
		t.Errorf("with the template of the topology %v count as not there", got)
	}
	p = b.platform("plain")
	if diff := cmp.Diff([]string{"orders-a-0", "orders-c-0"}, gone()); diff != "" {
		t.Errorf("not there: -want +got\n%s", diff)
	}
	b.must(p.Start(b, three))
	for _, name := range []string{"orders-a-0", "orders-c-0"} {
		if o, err := b.get(b, pods, name); err != nil || o != nil && o.GetDeletionTimestamp() == nil {
			t.Errorf("%s, which does not run, is kept, %v", name, err)
		}
	}
	if o, err := b.get(b, pods, "orders-b-0"); err != nil || o == nil || o.GetDeletionTimestamp() != nil {
		t.Errorf("the pod that runs was ended, %v", err)
	}
}

func TestSecretsAreReadAndNeverTold(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	if _, err := p.Secret("redis"); err == nil || !strings.Contains(err.Error(), "there is no Secret redis in namespace "+b.namespace) {
		t.Errorf("%v", err)
	}
	secret := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "redis"},
		"stringData": map[string]any{"pw": "hunter2"}}}
	_, err := b.of(secrets).Create(b, secret, metav1.CreateOptions{})
	b.must(err)
	if all, err := p.Secret("redis"); err != nil || string(all["pw"]) != "hunter2" {
		t.Errorf("%v, %v", all, err)
	}
}

func TestAChangeOfAPodIsNoticedAndATrifleIsNot(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	t.Cleanup(func() { p.Close() })
	b.must(p.Start(b, []string{"orders-a-0"}))
	news := p.Changed()
	noticed := func(what string) {
		t.Helper()
		select {
		case <-news:
		case <-time.After(patience):
			t.Errorf("%s was not noticed", what)
		}
	}
	for watching := false; !watching; { // the first list is what later ones are compared with
		b.makePods(p)
		select {
		case <-news:
			watching = true
		case <-time.After(200 * time.Millisecond):
			b.must(b.of(pods).Delete(b, "orders-a-0", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
		}
	}
	b.must(b.of(pods).Delete(b, "orders-a-0", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
	noticed("a pod that went")
	b.makePods(p)
	noticed("a pod that came")
	for quiet := false; !quiet; { // its address came after it
		select {
		case <-news:
		case <-time.After(time.Second):
			quiet = true
		}
	}
	o, err := b.of(pods).Get(b, "orders-a-0", metav1.GetOptions{})
	b.must(err)
	o.SetAnnotations(map[string]string{"a": "b"})
	_, err = b.of(pods).Update(b, o, metav1.UpdateOptions{})
	b.must(err)
	select {
	case <-news:
		t.Error("an annotation was worth a look")
	case <-time.After(time.Second):
	}
}

func TestThatAClusterHasServedIsRememberedUntilItIsRemoved(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	served := func() bool {
		t.Helper()
		_, err := p.Places(b)
		b.must(err)
		return p.Served()
	}
	b.must(p.Start(b, []string{"orders-a-0"}))
	if served() {
		t.Error("a new cluster has served")
	}
	b.must(p.KeepServed(b))
	b.must(p.Start(b, []string{"orders-a-1"})) // applies the StatefulSets again
	b.must(p.Furnish(b))
	if !served() {
		t.Error("forgotten when the StatefulSets were applied")
	}
}

func TestWhatHappensIsToldOnTheStatefulSetOfTheNode(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Start(b, []string{"orders-b-0"}))
	c := &Client{Interface: b.client}
	b.must(c.Tell(b, p.want, Note{Node: "orders-b-0", Warning: true, Reason: "NodeSilent", Text: strings.Repeat("long ", 300)}))
	b.must(c.Tell(b, p.want, Note{Reason: "Move", Text: "Move 0-5"}))
	all, err := b.of(events).List(b, metav1.ListOptions{LabelSelector: p.ownLabels()})
	b.must(err)
	about := map[string]string{}
	for _, e := range all.Items {
		name, _, _ := unstructured.NestedString(e.Object, "involvedObject", "name")
		kind, _, _ := unstructured.NestedString(e.Object, "type")
		reason, _, _ := unstructured.NestedString(e.Object, "reason")
		about[name] = kind + " " + reason
	}
	want := map[string]string{"orders-b": "Warning NodeSilent", "orders-a": "Normal Move"}
	if diff := cmp.Diff(want, about); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestAPortThatSomebodyAddedIsNoReasonToApplyAgainAndAgain(t *testing.T) {
	b := begins(t)
	p := b.platform("plain")
	b.must(p.Furnish(b))
	ports := func(change func([]any) []any) {
		t.Helper()
		o, err := b.of(services).Get(b, "orders", metav1.GetOptions{})
		b.must(err)
		all, _, _ := unstructured.NestedSlice(o.Object, "spec", "ports")
		b.must(unstructured.SetNestedSlice(o.Object, change(all), "spec", "ports"))
		_, err = b.of(services).Update(b, o, metav1.UpdateOptions{})
		b.must(err)
	}
	ports(func(all []any) []any {
		return append([]any{map[string]any{"name": "metrics", "port": int64(9121)}}, all...)
	})
	if wrong, err := p.Fixtures(b); err != nil || len(wrong) > 0 {
		t.Errorf("with a port more: %+v, %v", wrong, err)
	}
	ports(func(all []any) []any { return all[:1] })
	if wrong, err := p.Fixtures(b); err != nil || len(wrong) != 1 {
		t.Errorf("with that port alone: %+v, %v", wrong, err)
	}
}
