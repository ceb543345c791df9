package live

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

func TestAnEmptiedShardRedirectsClientsBeforeItLeaves(t *testing.T) {
	for name, waits := range map[string]time.Duration{"emptied": 2 * time.Second, "its replica": 2 * time.Second, "another": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &work{
					Cluster: &Cluster{emptied: map[string]time.Time{}},
					seen: cluster.State{Nodes: []cluster.Node{
						{Name: "another", ID: "c"}, {Name: "emptied", ID: "a"}, {Name: "its replica", ID: "b", Master: "a"},
					}},
					report: func(plan.Progress) {},
				}
				w.noteEmptied([]plan.Step{{Kind: plan.Move, From: "emptied", To: "another"}})
				time.Sleep(lingering - 2*time.Second)
				steps := []plan.Step{{Kind: plan.Forget, Node: name}}

				begun := time.Now()
				if err := w.linger(t.Context(), steps); err != nil || time.Since(begun) != waits {
					t.Errorf("it waited %v and said %v, want %v", time.Since(begun), err, waits)
				}

				w.noteEmptied([]plan.Step{{Kind: plan.Move, From: "emptied", To: "another"}})
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := w.linger(ctx, steps); waits > 0 && err == nil {
					t.Error("a run that was told to stop went on")
				}
			})
		})
	}
}
