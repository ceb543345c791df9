package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apilabels "k8s.io/apimachinery/pkg/labels"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// seen are the StatefulSets and pods of the cluster at one moment, by name.
type seen struct {
	sets map[string]*appsv1.StatefulSet
	pods map[string]*corev1.Pod
	rest bool // the StatefulSets are gone, and of what was around them something is there
}

// look asks for the StatefulSets and then for their pods.
func (p *Platform) look(ctx context.Context) (*seen, error) {
	if p.adopted() != "" {
		return p.lookAdopted(ctx)
	}
	labels := p.ownLabels()
	sets, err := list[appsv1.StatefulSet](ctx, p.api, statefulSets, labels)
	if err != nil {
		return nil, err
	}
	sets = slices.DeleteFunc(sets, func(s appsv1.StatefulSet) bool { // a copy has the labels of its original
		return s.Name != setName(p.want, zoneIn(&s))
	})
	return p.withPods(ctx, sets, labels)
}

// zoneIn is the zone that a StatefulSet was made for, by its selector, which nobody can
// change: its labels are as they may be.
func zoneIn(set *appsv1.StatefulSet) string { return set.Spec.Selector.MatchLabels[zoneLabel] }

// ownLabels chooses what slotwright made for the cluster.
func (p *Platform) ownLabels() string { return apilabels.FormatLabels(selector(p.want)) }

// lookAdopted looks at the one StatefulSet that somebody else made.
func (p *Platform) lookAdopted(ctx context.Context) (*seen, error) {
	set, labels, err := p.adoptedSet(ctx)
	if err != nil {
		return nil, err
	}
	return p.withPods(ctx, []appsv1.StatefulSet{*set}, labels)
}

// adoptedSet is the adopted StatefulSet and what chooses its pods.
func (p *Platform) adoptedSet(ctx context.Context) (*appsv1.StatefulSet, string, error) {
	found, err := p.api.get(ctx, statefulSets, p.adopted())
	if err != nil {
		return nil, "", err
	}
	if found == nil {
		return nil, "", fmt.Errorf("%s.adopt: there is no StatefulSet %s in namespace %s", where(p.want), p.adopted(), p.api.namespace)
	}
	set := &appsv1.StatefulSet{}
	if err := typed(found, set); err != nil {
		return nil, "", err
	}
	chosen, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	if err != nil {
		return nil, "", fmt.Errorf("the selector of StatefulSet %s: %w", set.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.chosen = chosen.String()
	return set, p.chosen, nil
}

// withPods adds the pods that the StatefulSets made: a label alone makes nobody
// a member. With other numbers than ours, one that is lowered would end other pods
// than those that left.
func (p *Platform) withPods(ctx context.Context, sets []appsv1.StatefulSet, labels string) (*seen, error) {
	out := &seen{sets: map[string]*appsv1.StatefulSet{}, pods: map[string]*corev1.Pod{}}
	for i := range sets {
		if o := sets[i].Spec.Ordinals; o != nil && o.Start != 0 {
			return nil, fmt.Errorf("StatefulSet %s in namespace %s numbers its pods from %d (spec.ordinals.start), and slotwright knows pods that are numbered from 0",
				sets[i].Name, p.api.namespace, o.Start)
		}
		out.sets[sets[i].Name] = &sets[i]
	}
	all, err := list[corev1.Pod](ctx, p.api, pods, labels)
	if err != nil {
		return nil, err
	}
	for i := range all {
		owner := metav1.GetControllerOf(&all[i])
		if owner == nil {
			continue
		}
		if set := out.sets[owner.Name]; set != nil && set.UID == owner.UID {
			out.pods[all[i].Name] = &all[i]
		}
	}
	return out, nil
}

// replicas are how many pods a StatefulSet should have; 0 where there is none.
func (s *seen) replicas(set string) int {
	if found := s.sets[set]; found != nil {
		return replicasOf(found)
	}
	return 0
}

func replicasOf(set *appsv1.StatefulSet) int {
	if set.Spec.Replicas == nil {
		return 1 // the API's default
	}
	return int(*set.Spec.Replicas)
}

// Places are all nodes that the topology wants, in the order of their seats,
// then those that the StatefulSets still have beside them. The address is the
// pod's own: what a server says of itself may be where it was before.
func (p *Platform) Places(ctx context.Context) ([]cluster.Place, error) {
	if places, ok := p.recalled(); ok {
		return places, nil
	}
	p.begin()
	now, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	p.remember(now)
	if p.want.State == spec.Absent && len(now.sets) == 0 {
		around, err := p.around(ctx)
		if err != nil {
			return nil, err
		}
		now.rest = len(around) > 0
	}
	zones, err := p.machines(ctx, now)
	if err != nil {
		return nil, err
	}
	why := p.why(ctx, now)
	var out []cluster.Place
	listed := map[string]bool{}
	for _, s := range seats(p.want) {
		listed[s.pod] = true
		place := p.place(now, s, zones, why)
		place.Listed = true
		out = append(out, place)
	}
	for _, name := range slices.Sorted(maps.Keys(now.sets)) {
		for ordinal := range now.replicas(name) {
			s := seat{pod: podName(name, ordinal), zone: zoneIn(now.sets[name]), set: name, ordinal: ordinal}
			if !listed[s.pod] {
				out = append(out, p.place(now, s, zones, why))
			}
		}
	}
	p.keep(out)
	return out, nil
}

var errNotMade = errors.New("there is no such pod")
