package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// memory is who sets the mark: another manager than the one that applies, so
// that to apply a StatefulSet does not take it away.
const memory = manager + "-memory"

// Served reports whether the cluster has ever served every slot, as of the last
// Places. Of an adopted StatefulSet nothing is remembered.
func (p *Platform) Served() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served
}

// KeepServed marks the StatefulSets. The mark goes with them.
func (p *Platform) KeepServed(ctx context.Context) error {
	if p.adopted() != "" {
		return nil
	}
	now, err := p.look(ctx)
	if err != nil {
		return err
	}
	text := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"true"}}}`, servedMark)
	for name := range now.sets {
		limited, cancel := context.WithTimeout(ctx, requestTimeout)
		_, err := p.api.of(statefulSets).Patch(limited, name, types.MergePatchType, text, metav1.PatchOptions{FieldManager: memory})
		cancel()
		if err != nil {
			return fmt.Errorf("mark StatefulSet %s: %w", name, err)
		}
	}
	return nil
}

// remember notes what a look says of the past.
func (p *Platform) remember(now *seen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served = false
	for _, set := range now.sets {
		p.served = p.served || set.Annotations[servedMark] != ""
	}
}
