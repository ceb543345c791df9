package kube

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
)

// Start makes nodes: it raises the StatefulSets until they cover the names, and
// applies all that pods need before that. It never lowers one. Nodes between,
// which the StatefulSet can't leave out, are made too. Pods of an older template
// that do not come to run are made anew.
func (p *Platform) Start(ctx context.Context, names []string) error {
	now, err := p.look(ctx)
	if err != nil {
		return err
	}
	need := map[string]int{}
	for _, name := range names {
		set, ordinal, ok := split(name)
		if !ok {
			return fmt.Errorf("start %s: %w", name, errNotMade)
		}
		need[set] = max(need[set], ordinal+1)
	}
	if p.adopted() != "" {
		return p.raiseAdopted(ctx, now, need)
	}
	if err := p.furnish(ctx, need); err != nil {
		return err
	}
	for _, name := range names {
		set, _, _ := split(name)
		pod := now.pods[name]
		if pod == nil || !now.outdated(set, pod, p) || !replaceable(pod) {
			continue
		}
		if err := p.api.remove(ctx, pods, name, pod.UID, metav1.DeletePropagationBackground); err != nil {
			return err
		}
	}
	return nil
}

func (p *Platform) raiseAdopted(ctx context.Context, now *seen, need map[string]int) error {
	name := p.adopted()
	if need[name] <= now.replicas(name) {
		return nil
	}
	return p.api.scale(ctx, name, now.sets[name].ResourceVersion, need[name])
}

// furnish applies every object, each StatefulSet with at least as many replicas
// as it has and as need says. Where a name is taken by somebody else, nothing
// behind it is applied. What can't be had here is left out: Fixtures tells of it.
func (p *Platform) furnish(ctx context.Context, need map[string]int) error {
	var known []*object
	for _, o := range p.set {
		_, err := p.vacant(ctx, o)
		if err == nil {
			known = append(known, o)
		} else if !unavailable(o.resource, err) {
			return err
		}
	}
	for _, o := range known {
		do := p.api.apply
		if o.resource == statefulSets {
			do = func(ctx context.Context, o *object) error { return p.raise(ctx, o, need[o.GetName()]) }
		}
		if err := do(ctx, o); err != nil && !unavailable(o.resource, err) {
			return err
		}
	}
	return p.tidy(ctx)
}

// raise applies a StatefulSet with at least so many replicas. How many it has is
// read with the version that the apply replaces: one that stood still on the way
// here may come late, when another daemon has made more and they have slots.
func (p *Platform) raise(ctx context.Context, o *object, least int) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		found, err := p.vacant(ctx, o)
		if err != nil {
			return err
		}
		live := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Replicas: new(int32(0))}}
		if found != nil {
			err = typed(found, live)
		} else {
			*live.Spec.Replicas, err = p.left(ctx, o.GetName())
		}
		if err != nil {
			return err
		}
		return p.api.apply(ctx, sized(o, live, max(least, replicasOf(live))))
	})
}

// left is how many replicas cover the pods of a StatefulSet that is gone. Who deletes
// one may leave its pods there (--cascade=orphan): the next one adopts them, and would
// end those that it is not to have, with their slots.
func (p *Platform) left(ctx context.Context, set string) (int32, error) {
	all, err := list[corev1.Pod](ctx, p.api, pods, p.ownLabels())
	out := 0
	for _, pod := range all {
		if of, ordinal, ok := split(pod.Name); ok && of == set {
			out = max(out, ordinal+1)
		}
	}
	return int32(out), err
}

// sized is a StatefulSet as it is to be applied over the one that is there. What
// can't be changed on that stays as it is: the claims' template.
func sized(o *object, live *appsv1.StatefulSet, replicas int) *object {
	out := o.DeepCopy()
	spec := out.Object["spec"].(map[string]any)
	spec["replicas"] = int64(replicas)
	if live.ResourceVersion != "" {
		out.SetResourceVersion(live.ResourceVersion)
		keepClaims(spec, live)
	}
	return &object{o.resource, out}
}

// keepClaims leaves a StatefulSet with claims or without, as it was made. Where its
// pods mount claims that it can't have, their data is where it was, too.
func keepClaims(spec map[string]any, live *appsv1.StatefulSet) {
	const claims = "volumeClaimTemplates"
	if len(live.Spec.VolumeClaimTemplates) > 0 {
		all := plain(&appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{VolumeClaimTemplates: live.Spec.VolumeClaimTemplates}})
		spec[claims] = all["spec"].(map[string]any)[claims]
	} else if spec[claims] != nil {
		delete(spec, claims)
		pod := spec["template"].(map[string]any)["spec"].(map[string]any)
		pod["volumes"] = append(pod["volumes"].([]any), map[string]any{"name": "data", "emptyDir": map[string]any{}})
	}
}

var errTaken = errors.New("the name is taken by somebody else's")

// vacant is the object of that name, nil where there is none. That of somebody
// else is an error.
func (p *Platform) vacant(ctx context.Context, o *object) (*unstructured.Unstructured, error) {
	found, err := p.api.get(ctx, o.resource, o.GetName())
	if err != nil || found == nil || p.ours(found) {
		return found, err
	}
	return nil, fmt.Errorf("%w: %s in namespace %s is not of cluster %s", errTaken, o, p.api.namespace, p.want.Name)
}

// ours reports whether slotwright made an object for this cluster.
func (p *Platform) ours(o *unstructured.Unstructured) bool {
	return o.GetLabels()[clusterLabel] == p.want.Name
}

func markOf(set *object) string {
	mark, _, _ := unstructured.NestedString(set.Object, "spec", "template", "metadata", "annotations", templateMark)
	return mark
}
