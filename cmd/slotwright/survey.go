package main

import (
	"context"
	"sync"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// surveyed is one cluster, looked at.
type surveyed struct {
	want    spec.Topology
	cluster reconcile.Cluster // nil when it could not even be connected
	result  reconcile.Result
}

// survey looks at every cluster, a few at a time. What goes wrong with one
// stays with that one.
func (t *tool) survey(ctx context.Context, wants []spec.Topology) []surveyed {
	const atOnce = 8
	all := make([]surveyed, len(wants))
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, want := range wants {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			all[i] = t.look(ctx, want)
		})
	}
	wait.Wait()
	return all
}

func (t *tool) look(ctx context.Context, want spec.Topology) surveyed {
	c, err := t.connect(want)
	if err != nil {
		return surveyed{want: want, result: reconcile.Result{
			Cluster: want.Name, Plan: plan.Plan{Cluster: want.Name}, Err: err,
		}}
	}
	return surveyed{want, c, reconcile.Once(ctx, c, want, reconcile.Options{})}
}

// free ends what connect began.
func free(all []surveyed) {
	for _, s := range all {
		reconcile.Close(s.cluster)
	}
}
