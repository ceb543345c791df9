package kube

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// Rest is told that nothing is under way until the next Places. That one may be
// answered with what the last one saw, when watches say that nothing changed
// since: a daemon in its pauses need not ask again and again. Everything after it
// asks again, so no step is ever planned, nor anything removed, by what is
// remembered.
func (p *Platform) Rest() {
	for kind := range p.kinds() {
		p.attend(kind)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resting = true
}

// kinds are those that a pass reads.
func (p *Platform) kinds() map[schema.GroupVersionResource]bool {
	out := map[schema.GroupVersionResource]bool{pods: true, statefulSets: true}
	for _, o := range p.set {
		out[o.resource] = true
	}
	return out
}

// recalled are the last Places, where they are still right and may be told.
func (p *Platform) recalled() ([]cluster.Place, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recalling = p.resting && p.fresh && p.places != nil
	p.resting = false
	return slices.Clone(p.places), p.recalling
}

// begin says that the API is about to be read: what is heard from here on may be
// later than what is read.
func (p *Platform) begin() {
	p.mu.Lock()
	feeds := p.feeds
	p.places, p.fresh = nil, true
	p.mu.Unlock()
	for kind := range p.kinds() {
		f := feeds[kind]
		if f == nil || !f.isSound() {
			p.forget()
			return
		}
	}
}

// keep remembers places without trouble, which may come and go with time alone.
func (p *Platform) keep(places []cluster.Place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, place := range places {
		p.fresh = p.fresh && place.Trouble == "" && place.Exists
	}
	p.places = slices.Clone(places)
}

func (p *Platform) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = false
}

func (p *Platform) recalls() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.recalling
}
