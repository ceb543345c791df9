package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/reconcile/platform/kube"
	"github.com/slotwright/slotwright/spec"
)

// podEvents tells in Kubernetes Events what becomes of clusters that are pods:
// which steps ended, and what holds. Nobody waits for it: what can't be told
// soon is not told.
type podEvents struct {
	log  *slog.Logger
	tell func(context.Context, spec.Topology, kube.Note) error
	todo chan podNote

	mu    sync.Mutex
	wants map[string]spec.Topology
	holds map[string]map[string]toldHold // by cluster, those that stand
}

type podNote struct {
	want spec.Topology
	note kube.Note
}

// mostNotes is how many wait to be told.
const mostNotes = 256

func newPodEvents(log *slog.Logger) *podEvents {
	return &podEvents{
		log: log, todo: make(chan podNote, mostNotes), wants: map[string]spec.Topology{}, holds: map[string]map[string]toldHold{},
		tell: func(ctx context.Context, want spec.Topology, n kube.Note) error {
			client, err := api()
			if err != nil {
				return err
			}
			return client.Tell(ctx, want, n)
		},
	}
}

// run tells until ctx ends. The first failure is logged, and then the first
// after a success.
func (p *podEvents) run(ctx context.Context) {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-p.todo:
			limited, cancel := context.WithTimeout(ctx, 30*time.Second)
			err := p.tell(limited, n.want, n.note)
			cancel()
			if err != nil && !failing && ctx.Err() == nil {
				p.log.Warn("an Event is not told", "cluster", n.want.Name, "error", err)
			}
			failing = err != nil
		}
	}
}

// connecting takes in what a cluster is wanted to be.
func (p *podEvents) connecting(want spec.Topology) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.wants, want.Name)
	if want.Platform.Kubernetes != nil {
		p.wants[want.Name] = want
	}
}

// event needs to know of nothing but stages that ended.
func (p *podEvents) event(e reconcile.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.What {
	case reconcile.Ended:
		for _, s := range e.Stage {
			if e.Err == nil {
				p.add(e.Cluster, kube.Note{Node: nodeOf(s), Reason: string(s.Kind), Text: deed(s)})
			}
		}
		if e.Err != nil {
			p.add(e.Cluster, kube.Note{Warning: true, Reason: "CameShort", Text: clean(e.Err.Error())})
		}
	case reconcile.Waiting:
		p.held(e.Cluster, e.Plan.Holds)
	}
}

func (p *podEvents) result(r reconcile.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Observed {
		p.held(r.Cluster, r.Plan.Holds)
	}
}

// toldHold is what was said of a hold, and when.
type toldHold struct {
	text string
	at   time.Time
}

// sayAgain is how long a hold whose text changes is left at what was said of it:
// a node that does not answer is so for one reason first and for another later,
// and a text may count.
const sayAgain = time.Minute

// held tells every hold once, again when it was gone, and now and then when it
// stands for another reason than was told.
func (p *podEvents) held(cluster string, holds []plan.Hold) {
	before, now := p.holds[cluster], map[string]toldHold{}
	for _, h := range holds {
		key, text := string(h.Code)+" "+h.Node, clean(h.Text+"; to lift it: "+h.Lift)
		told, known := before[key]
		if !known || told.text != text && time.Since(told.at) >= sayAgain {
			told = toldHold{text, time.Now()}
			p.add(cluster, kube.Note{Node: h.Node, Warning: true, Reason: string(h.Code), Text: text})
		}
		now[key] = told
	}
	p.holds[cluster] = now
}

func (p *podEvents) add(cluster string, n kube.Note) {
	want, ok := p.wants[cluster]
	if !ok {
		return
	}
	select {
	case p.todo <- podNote{want, n}:
	default:
	}
}

// nodeOf is the node that a step is most about.
func nodeOf(s plan.Step) string {
	if s.Node == "" {
		return s.To
	}
	return s.Node
}
