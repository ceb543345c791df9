package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// Fixtures are the objects that are missing, differ, or are somebody else's.
func (p *Platform) Fixtures(ctx context.Context) ([]cluster.Fixture, error) {
	if p.want.State == spec.Absent || p.recalls() {
		return nil, nil
	}
	var out []cluster.Fixture
	for _, o := range p.set {
		f, err := p.fixture(ctx, o)
		if err != nil {
			p.forget()
			return nil, err
		}
		if f.Text != "" {
			p.forget()
			f.Name = o.String()
			out = append(out, f)
		}
	}
	left, err := p.leftOver(ctx)
	if err != nil || len(left) > 0 {
		p.forget()
	}
	for _, o := range left {
		out = append(out, cluster.Fixture{Name: o.String(), Text: "is not wanted any more"})
	}
	return out, err
}

func (p *Platform) fixture(ctx context.Context, o *object) (cluster.Fixture, error) {
	found, err := p.api.get(ctx, o.resource, o.GetName())
	f := cluster.Fixture{}
	if err == nil {
		f = p.compare(o, found)
	}
	if o.resource == serviceMonitors && f.Text != "" && !f.Taken {
		_, err = p.api.patch(ctx, o, metav1.DryRunAll) // who may read one may not be let make it
	}
	switch {
	case unavailable(o.resource, err):
		return cluster.Fixture{
			Text: fmt.Sprintf("can't be made (%s)", err),
			Lift: "install the Prometheus Operator and permit slotwright to make it (the chart's rbac.serviceMonitors), or take serviceMonitor out of the topology",
		}, nil
	case err != nil:
		return cluster.Fixture{}, err
	case f.Text == editedText && !p.wouldChange(ctx, o, found):
		return cluster.Fixture{}, nil
	}
	return f, nil
}

// wouldChange asks the API server whether to apply a StatefulSet again would change
// anything. What a cluster's own admission made of it, such as the name of a mirror
// before that of an image, is no edit: it would come back each time. An edit that
// ours can't stand beside is one. Where a dry run is refused otherwise nobody can tell,
// and it is left as it is.
func (p *Platform) wouldChange(ctx context.Context, o *object, found *unstructured.Unstructured) bool {
	live := &appsv1.StatefulSet{}
	if typed(found, live) != nil {
		return false
	}
	then, err := p.api.patch(ctx, sized(o, live, replicasOf(live)), metav1.DryRunAll)
	return apierrors.IsInvalid(err) || err == nil && then.GetGeneration() != found.GetGeneration()
}

// unavailable reports whether objects of a kind that no cluster needs can't be had
// here: nobody installed it, or slotwright may not read or make it.
func unavailable(kind schema.GroupVersionResource, err error) bool {
	return errors.Is(err, errUnknownKind) || kind == serviceMonitors && apierrors.IsForbidden(err)
}

// leftOver are the cluster's objects of the kinds that a topology may want, or not,
// where this one wants none any more: a NetworkPolicy would go on to keep people out.
func (p *Platform) leftOver(ctx context.Context) ([]*object, error) {
	var out []*object
	for _, kind := range []schema.GroupVersionResource{networkPolicies, serviceMonitors} {
		if p.adopted() != "" || len(p.of(kind)) > 0 {
			continue
		}
		found, err := p.api.get(ctx, kind, p.want.Name)
		switch {
		case unavailable(kind, err): // it made none
		case err != nil:
			return nil, err
		case found != nil && p.ours(found):
			out = append(out, &object{kind, found})
		}
	}
	return out, nil
}

// tidy removes what is left over.
func (p *Platform) tidy(ctx context.Context) error {
	left, err := p.leftOver(ctx)
	for _, o := range left {
		err = errors.Join(err, p.api.remove(ctx, o.resource, o.GetName(), o.GetUID(), metav1.DeletePropagationBackground))
	}
	return err
}

// compare says what is wrong with an object; the text is empty when nothing is.
func (p *Platform) compare(o *object, found *unstructured.Unstructured) cluster.Fixture {
	switch {
	case found == nil:
		return cluster.Fixture{Text: "is missing"}
	case !p.ours(found):
		return cluster.Fixture{Text: fmt.Sprintf("is there and has no label %s: %s", clusterLabel, p.want.Name), Taken: true}
	case o.resource == statefulSets:
		return compareSets(o, found)
	case !within(o.Object, found.Object):
		return cluster.Fixture{Text: "differs"}
	}
	return cluster.Fixture{}
}

func compareSets(o *object, found *unstructured.Unstructured) cluster.Fixture {
	var want, have appsv1.StatefulSet
	if typed(o.Unstructured, &want) != nil || typed(found, &have) != nil {
		return cluster.Fixture{Text: "can't be read"}
	}
	if text := fixedPart(&want, &have); text != "" {
		return cluster.Fixture{Text: text, Lift: "write what it was in the topology, or make a new cluster and move to it"}
	}
	return cluster.Fixture{Text: differs(&want, &have)}
}

const editedText = "has a template that somebody edited"

// differs says what a StatefulSet has other than wanted; "" when it has nothing. Who
// edits one leaves the mark of its template as it was, so that is compared too.
func differs(want, have *appsv1.StatefulSet) string {
	a, b := want.Spec.PersistentVolumeClaimRetentionPolicy, have.Spec.PersistentVolumeClaimRetentionPolicy
	switch {
	case want.Spec.Template.Annotations[templateMark] != have.Spec.Template.Annotations[templateMark]:
		return "has another template"
	case !within(plain(&want.Spec.Template), plain(&have.Spec.Template)):
		return editedText
	case a != nil && (b == nil || *a != *b):
		return "keeps claims otherwise"
	case have.Spec.UpdateStrategy.Type != want.Spec.UpdateStrategy.Type:
		return "would restart pods by itself"
	}
	return ""
}

// fixedPart says what is wanted otherwise of the claims, which the API server
// lets nobody change; "" when nothing is.
func fixedPart(want, have *appsv1.StatefulSet) string {
	a, b := want.Spec.VolumeClaimTemplates, have.Spec.VolumeClaimTemplates
	if len(a) != len(b) {
		return "was made with storage, or without, and can't change that"
	}
	for i := range a {
		size, was := a[i].Spec.Resources.Requests.Storage(), b[i].Spec.Resources.Requests.Storage()
		if size.Cmp(*was) != 0 {
			return fmt.Sprintf("was made with volumes of %s and can't change that to %s", was, size)
		}
		class, old := a[i].Spec.StorageClassName, b[i].Spec.StorageClassName
		if class != nil && (old == nil || *class != *old) {
			return "was made with another storage class and can't change that"
		}
	}
	return ""
}

// within reports whether everything in want is in have: the API server adds
// defaults and takes nothing away. A selector with more in it chooses less.
func within(want, have any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		for key, value := range want {
			exactly := key == "selector" || key == "podSelector"
			if !ok || !within(value, have[key]) || exactly && !within(have[key], value) {
				return false
			}
		}
		return ok
	case []any:
		have, ok := have.([]any)
		if !ok || len(have) < len(want) {
			return len(want) == 0
		}
		return listed(want, have)
	}
	return fmt.Sprint(want) == fmt.Sprint(have)
}

// listed compares lists. Of named items, such as a Service's ports, others may have
// some too, which to apply ours leaves there.
func listed(want, have []any) bool {
	for i := range want {
		item, _ := want[i].(map[string]any)
		switch _, named := item["name"]; {
		case named && !slices.ContainsFunc(have, func(h any) bool { return within(item, h) }):
			return false
		case !named && (len(want) != len(have) || !within(want[i], have[i])):
			return false
		}
	}
	return true
}

// Furnish applies every object. It makes and ends no pod: each StatefulSet keeps
// the replicas it has.
func (p *Platform) Furnish(ctx context.Context) error {
	return p.furnish(ctx, nil)
}
