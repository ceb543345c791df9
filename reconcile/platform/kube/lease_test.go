//go:build apiserver

package kube

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// contender is one process that wants a lease.
type contender struct {
	begun, ended chan struct{}
	stop         context.CancelFunc
	release      chan struct{} // lead returns only after it
	err          chan error
}

func (b *bench) contender() *contender { return b.contenderBy(rest.CopyConfig(apiServer.config)) }

func (b *bench) contenderBy(config *rest.Config) *contender {
	client, err := connect(config)
	b.must(err)
	ctx, stop := context.WithCancel(b.Context)
	c := &contender{make(chan struct{}), make(chan struct{}), stop, make(chan struct{}), make(chan error, 1)}
	b.Cleanup(stop)
	go func() {
		c.err <- client.Lead(ctx, b.namespace+"/slotwright", func(string) {}, func(ctx context.Context) error {
			close(c.begun)
			<-ctx.Done()
			close(c.ended)
			<-c.release
			return nil
		})
	}()
	return c
}

func (b *bench) within(what string, happens <-chan struct{}) {
	b.Helper()
	select {
	case <-happens:
	case <-time.After(patience):
		b.Fatalf("not in time: %s", what)
	}
}

func TestOneLeadsAndTheNextOnlyAfterItHasEnded(t *testing.T) {
	b := begins(t)
	first := b.contender()
	b.within("the first leads", first.begun)
	second := b.contender()
	first.stop()
	b.within("the first is told to end", first.ended)
	select {
	case <-second.begun:
		t.Fatal("the second leads while the first still ends")
	case <-time.After(3 * tryEvery):
	}
	close(first.release)
	b.within("the second leads", second.begun)
	if err := <-first.err; err != nil {
		t.Errorf("the first ended with %v", err)
	}
	close(second.release)
}

func TestALostLeaseEndsTheLead(t *testing.T) {
	b := begins(t)
	c := b.contender()
	close(c.release)
	b.within("it leads", c.begun)
	leases := schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	for stolen := false; !stolen; {
		o, err := b.of(leases).Get(b, "slotwright", metav1.GetOptions{})
		b.must(err)
		b.must(unstructured.SetNestedField(o.Object, "thief", "spec", "holderIdentity"))
		b.must(unstructured.SetNestedField(o.Object, int64(3600), "spec", "leaseDurationSeconds"))
		_, err = b.of(leases).Update(b, o, metav1.UpdateOptions{})
		stolen = err == nil // it may have been renewed in between
	}
	begin := time.Now()
	b.within("its context ends", c.ended)
	if long := time.Since(begin); long > renewWithin-tryEvery {
		t.Errorf("it went on for %s beside the thief", long)
	}
	if err := <-c.err; err == nil || !strings.Contains(err.Error(), "is lost") {
		t.Errorf("ended with %v", err)
	}
}

func TestWhoStopsWhileWaitingEndsAtOnce(t *testing.T) {
	b := begins(t)
	first := b.contender()
	close(first.release)
	b.within("the first leads", first.begun)
	second := b.contender()
	second.stop()
	select {
	case err := <-second.err:
		if err != context.Canceled {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it goes on waiting")
	}
}

// silence swallows requests from when it is closed, as a network does that drops
// packets: they end with their own time.
type silence struct {
	next   http.RoundTripper
	begins chan struct{}
}

func (s *silence) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-s.begins:
		<-r.Context().Done()
		return nil, r.Context().Err()
	default:
		return s.next.RoundTrip(r)
	}
}

func TestWhoHearsNothingFromTheAPIServerEndsBeforeTheNextLeads(t *testing.T) {
	b := begins(t)
	config, cut := rest.CopyConfig(apiServer.config), &silence{begins: make(chan struct{})}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { cut.next = next; return cut })
	first := b.contenderBy(config)
	close(first.release)
	b.within("the first leads", first.begun)
	second := b.contender()
	close(second.release)
	close(cut.begins)
	b.within("the second leads", second.begun)
	select {
	case <-first.ended:
	default:
		t.Error("the first still leads")
	}
	if err := <-first.err; err == nil || !strings.Contains(err.Error(), "is lost") {
		t.Errorf("ended with %v", err)
	}
}
