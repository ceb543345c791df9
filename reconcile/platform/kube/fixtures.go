package kube

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
		found, err := p.api.get(ctx, o.resource, o.GetName())
		if err != nil {
			p.forget()
			return nil, err
		}
		if f := p.compare(o, found); f.Text != "" {
			p.forget()
			f.Name = o.String()
			out = append(out, f)
		}
	}
	left, err := p.leftOver(ctx)
	if err != nil || left != nil {
		p.forget()
	}
	if left != nil {
		out = append(out, cluster.Fixture{Name: "NetworkPolicy " + left.GetName(), Text: "is not wanted any more"})
	}
	return out, err
}

// leftOver is the cluster's NetworkPolicy where the topology wants none any more:
// it would go on to keep people out.
func (p *Platform) leftOver(ctx context.Context) (*unstructured.Unstructured, error) {
	if p.adopted() != "" || len(p.of(networkPolicies)) > 0 {
		return nil, nil
	}
	found, err := p.api.get(ctx, networkPolicies, p.want.Name)
	if err != nil || found == nil || !p.ours(found) {
		return nil, err
	}
	return found, nil
}

// tidy removes what is left over.
func (p *Platform) tidy(ctx context.Context) error {
	left, err := p.leftOver(ctx)
	if err != nil || left == nil {
		return err
	}
	return p.api.remove(ctx, networkPolicies, left.GetName(), left.GetUID(), metav1.DeletePropagationBackground)
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

// compareSets compares the marks of the templates, since the API server writes
// defaults into a template, and gives quantities another form.
func compareSets(o *object, found *unstructured.Unstructured) cluster.Fixture {
	var want, have appsv1.StatefulSet
	if typed(o.Unstructured, &want) != nil || typed(found, &have) != nil {
		return cluster.Fixture{Text: "can't be read"}
	}
	if text := fixedPart(&want, &have); text != "" {
		return cluster.Fixture{Text: text, Fixed: true}
	}
	a, b := want.Spec.PersistentVolumeClaimRetentionPolicy, have.Spec.PersistentVolumeClaimRetentionPolicy
	switch {
	case want.Spec.Template.Annotations[templateMark] != have.Spec.Template.Annotations[templateMark]:
		return cluster.Fixture{Text: "has another template"}
	case a != nil && (b == nil || *a != *b):
		return cluster.Fixture{Text: "keeps claims otherwise"}
	case have.Spec.UpdateStrategy.Type != want.Spec.UpdateStrategy.Type:
		return cluster.Fixture{Text: "would restart pods by itself"}
	}
	return cluster.Fixture{}
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
// defaults and takes nothing away.
func within(want, have any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		for key, value := range want {
			if !ok || !within(value, have[key]) {
				return false
			}
		}
		return ok || len(want) == 0
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
