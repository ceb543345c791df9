package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func podOf(now *seen, name string) *corev1.Pod {
	if now == nil {
		return nil
	}
	return now.pods[name]
}

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
	for _, o := range slices.Backward(p.set) {
		if o.resource == statefulSets {
			continue
		}
		found, err := p.api.get(ctx, o.resource, o.GetName())
		if err != nil || found == nil || !p.ours(found) {
			if err != nil {
				return err
			}
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
	return p.gone(ctx)
}

// gone waits until no StatefulSet is left. They end after their pods.
func (p *Platform) gone(ctx context.Context) error {
	const longest = (grace + 60) * time.Second
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for {
		now, err := p.look(ctx)
		if err == nil && len(now.sets) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = errors.New("some pods have not ended yet")
			}
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}
