package kube

import (
	"context"
	"maps"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// againAfter is the pause before a watch that broke is begun again.
const againAfter = 2 * time.Second

// subject is what a feed is about.
type subject struct {
	kind              schema.GroupVersionResource
	namespace, labels string
	name              string // "" is all with the labels
}

func (s subject) options() metav1.ListOptions {
	out := metav1.ListOptions{LabelSelector: s.labels}
	if s.name != "" {
		out.FieldSelector = "metadata.name=" + s.name
	}
	return out
}

// feed is one watch, shared by all platforms that listen to it. The API server
// ends every watch within the hour, and a connection that is dead is noticed
// within a minute (client-go asks it for a sign of life), so nothing stays
// unheard for longer.
type feed struct {
	end context.CancelFunc

	mu    sync.Mutex
	sound bool              // every change from here on is told
	blind bool              // the last list was refused
	known map[string]figure // by name; nil before the first list
	heard map[*Platform]bool
}

// listen has p told of a subject, until the returned function is called.
func (c *Client) listen(s subject, p *Platform) (f *feed, leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f = c.feeds[s]
	if f == nil {
		ctx, end := context.WithCancel(context.Background())
		f = &feed{end: end, heard: map[*Platform]bool{}}
		if c.feeds == nil {
			c.feeds = map[subject]*feed{}
		}
		c.feeds[s] = f
		go f.follow(ctx, api{c.Interface, s.namespace}, s)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard[p] = true
	return f, func() { c.leave(s, f, p) }
}

// leave ends a feed that nobody listens to any more.
func (c *Client) leave(s subject, f *feed, p *Platform) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.heard, p)
	if len(f.heard) == 0 && c.feeds[s] == f {
		f.end()
		delete(c.feeds, s)
	}
}

func (f *feed) isSound() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sound
}

// follow watches until ctx ends. After a break everybody is told: what happened
// meanwhile is not known.
func (f *feed) follow(ctx context.Context, a api, s subject) {
	for ctx.Err() == nil {
		f.watchOnce(ctx, a, s)
		f.mu.Lock()
		f.sound = false
		for p := range f.heard {
			p.hear(false)
		}
		f.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(againAfter):
		}
	}
}

func (f *feed) watchOnce(ctx context.Context, a api, s subject) {
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	all, err := a.of(s.kind).List(limited, s.options())
	cancel()
	if err != nil {
		f.mu.Lock()
		f.blind = true
		f.mu.Unlock()
		return
	}
	options := s.options()
	options.ResourceVersion = all.GetResourceVersion()
	w, err := a.of(s.kind).Watch(ctx, options)
	if err != nil {
		return
	}
	defer w.Stop()
	f.begin(s, all)
	for e := range w.ResultChan() {
		o, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == watch.Error {
			return
		}
		f.tell(s, o, e.Type == watch.Deleted)
	}
}

// figure is what of an object decides who is told of a change, and how.
type figure struct{ cluster, shape string }

func figureOf(kind schema.GroupVersionResource, o *unstructured.Unstructured) figure {
	return figure{o.GetLabels()[clusterLabel], shapeOf(kind, o)}
}

// begin takes in what there is. It is worth a look when it is other than it was
// before the last break, and when the API server did not say it for a while: who
// could not look in the meantime looks again at once.
func (f *feed) begin(s subject, all *unstructured.UnstructuredList) {
	now := map[string]figure{}
	for i := range all.Items {
		now[all.Items[i].GetName()] = figureOf(s.kind, &all.Items[i])
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.heard {
		p.hear(f.blind || f.known != nil && !maps.Equal(f.known, now))
	}
	f.known, f.sound, f.blind = now, true, false
}

// tell tells whose an object is, and whose it was.
func (f *feed) tell(s subject, o *unstructured.Unstructured, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, is := f.known[o.GetName()], figure{}
	if gone {
		delete(f.known, o.GetName())
	} else {
		is = figureOf(s.kind, o)
		f.known[o.GetName()] = is
	}
	for p := range f.heard {
		if s.labels != clusterLabel || p.want.Name == was.cluster || p.want.Name == is.cluster {
			p.hear(is.shape != was.shape)
		}
	}
}
