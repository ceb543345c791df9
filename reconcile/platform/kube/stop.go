package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pollEvery is how often something awaited is looked at.
const pollEvery = 500 * time.Millisecond

// Stop ends nodes: it lowers each StatefulSet past those of the names that are
// its highest ordinals, and no further. A name below a pod that stays is an
// error, for a StatefulSet can't leave it out. Claims stay, unless the topology
// says otherwise.
func (p *Platform) Stop(ctx context.Context, names []string) error {
	now, err := p.look(ctx)
	if err != nil {
		return err
	}
	going := map[string]bool{}
	for _, name := range names {
		going[name] = true
	}
	for _, set := range slices.Sorted(maps.Keys(now.sets)) {
		left := now.replicas(set)
		for left > 0 && going[podName(set, left-1)] {
			left--
			delete(going, podName(set, left))
		}
		if left == now.replicas(set) {
			continue
		}
		if err := p.api.scale(ctx, set, now.sets[set].ResourceVersion, left); err != nil {
			return err
		}
	}
	for name := range going {
		if set, ordinal, ok := split(name); ok && ordinal < now.replicas(set) {
			return fmt.Errorf("%s can't end before those with higher numbers in StatefulSet %s have", name, set)
		}
	}
	return nil
}

// Restart has a pod made anew, from the template that the topology wants now. It
// returns when the new one has an address.
func (p *Platform) Restart(ctx context.Context, name string) error {
	now, err := p.look(ctx)
	if err != nil {
		return err
	}
	pod := now.pods[name]
	if pod == nil {
		return fmt.Errorf("restart %s: %w", name, errNotMade)
	}
	if p.adopted() == "" {
		if err := p.furnish(ctx, nil); err != nil {
			return err
		}
	}
	if err := p.api.remove(ctx, pods, name, pod.UID, metav1.DeletePropagationBackground); err != nil {
		return err
	}
	return p.renewed(ctx, name, pod.UID)
}

// renewed waits until another pod of that name has an address. An image that is
// not there yet takes its time.
func (p *Platform) renewed(ctx context.Context, name string, old types.UID) error {
	err := p.await(ctx, grace+120, func(now *seen) string {
		switch pod := now.pods[name]; {
		case pod == nil:
			return cmp.Or(p.why(ctx, now)[name], notMadeYet)
		case pod.UID == old:
			return "the old pod has not ended"
		case pod.Status.PodIP == "":
			return trouble(pod, time.Now())
		}
		return ""
	})
	if err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	return nil
}

// await looks until nothing is missing, for so many seconds at most; what was
// missing last is the error then.
func (p *Platform) await(ctx context.Context, seconds int, missing func(*seen) string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
	defer cancel()
	for {
		now, err := p.look(ctx)
		if err == nil {
			text := missing(now)
			if text == "" {
				return nil
			}
			err = errors.New(text)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}
