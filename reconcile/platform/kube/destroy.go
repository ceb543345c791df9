package kube

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	if err := p.tidy(ctx); err != nil {
		return err
	}
	for _, o := range slices.Backward(p.set) {
		if o.resource == statefulSets {
			continue
		}
		found, err := p.api.get(ctx, o.resource, o.GetName())
		if err != nil && !unavailable(o.resource, err) {
			return err
		}
		if found == nil || !p.ours(found) {
			continue
		}
		if err := p.api.remove(ctx, o.resource, o.GetName(), found.GetUID(), metav1.DeletePropagationBackground); err != nil {
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
