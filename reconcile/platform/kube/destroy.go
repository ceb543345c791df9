package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slotwright/slotwright/spec"
)

// Destroy removes the whole cluster: what clients see first, the StatefulSets
// last, because as long as they are there a fresh run knows that something is
// left to do. Claims go only where the topology says so, and then the API's own
// controllers remove them. An adopted StatefulSet is not slotwright's to remove.
func (p *Platform) Destroy(ctx context.Context, _ []string) error {
	if p.adopted() != "" {
		return fmt.Errorf("StatefulSet %s was adopted: delete it where it comes from", p.adopted())
	}
	now, err := p.look(ctx)
	if err != nil {
		return err
	}
	if err := p.settleClaims(ctx, now); err != nil {
		return err
	}
	all, err := p.around(ctx)
	if err != nil {
		return err
	}
	for _, o := range slices.Backward(all) {
		if err := p.api.remove(ctx, o.resource, o.GetName(), o.GetUID(), metav1.DeletePropagationBackground); err != nil {
			return err
		}
	}
	for _, set := range now.sets {
		if err := p.api.remove(ctx, statefulSets, set.Name, set.UID, metav1.DeletePropagationForeground); err != nil {
			return err
		}
	}
	return p.await(ctx, grace+60, func(now *seen) string { // they end after their pods
		if len(now.sets) > 0 {
			return "some pods have not ended yet"
		}
		return ""
	})
}

// around are the cluster's objects besides its StatefulSets, in the order they are made.
func (p *Platform) around(ctx context.Context) ([]*object, error) {
	var out []*object
	for _, o := range p.set {
		if o.resource == statefulSets {
			continue
		}
		found, err := p.api.get(ctx, o.resource, o.GetName())
		if err != nil && !unavailable(o.resource, err) {
			return nil, err
		}
		if found != nil && p.ours(found) && found.GetDeletionTimestamp() == nil {
			out = append(out, &object{o.resource, found})
		}
	}
	left, err := p.leftOver(ctx)
	return append(out, left...), err
}

// settleClaims has what becomes of the claims be as the topology says: the commit that
// removes the cluster may be the one that keeps them. The controller writes that into
// the claims, where it decides, so what was seen is nothing before it has done so.
func (p *Platform) settleClaims(ctx context.Context, now *seen) error {
	want := cmp.Or(p.want.Platform.Kubernetes.Storage.WhenDeleted, spec.Retain)
	for name, set := range now.sets {
		if have := set.Spec.PersistentVolumeClaimRetentionPolicy; have == nil || string(have.WhenDeleted) == want || set.DeletionTimestamp != nil {
			continue
		}
		field := fmt.Sprintf(`"persistentVolumeClaimRetentionPolicy":{"whenDeleted":%q}`, want)
		if err := p.api.change(ctx, name, set.ResourceVersion, field); err != nil {
			return fmt.Errorf("settle the claims of StatefulSet %s: %w", name, err)
		}
	}
	return p.await(ctx, grace, func(now *seen) string {
		for name, set := range now.sets {
			if set.DeletionTimestamp == nil && set.Status.ObservedGeneration < set.Generation {
				return fmt.Sprintf("the controller of StatefulSet %s has not taken in what becomes of its claims", name)
			}
		}
		return ""
	})
}
