//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// Clients write two keys of a slot in one MULTI, and read both in one MGET,
// while the slots move. A half-moved slot may turn them away (TRYAGAIN, an
// aborted EXEC), for the moment that its two keys are at different ends; it is
// counted. Nobody ever sees one key of a pair without the other.
func TestTransactionsStayWholeWhileSlotsMove(t *testing.T) {
	const pairs, filler = 300, 30_000
	b := newBench(t, livetest.Options{Servers: 4})
	three := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
	four := b.write("four.yaml", shape{masters: 4, nodes: first(4)})
	b.apply(three)
	b.fleet.Write(t, filler, 64)
	pair := func(n int) (string, string) {
		return fmt.Sprintf("{pair:%d}a", n%pairs), fmt.Sprintf("{pair:%d}b", n%pairs)
	}
	var quit atomic.Bool
	var clients sync.WaitGroup
	var written, read, turnedAway atomic.Int64
	var acked [pairs]atomic.Int64 // by the one writer of a pair
	c := b.fleet.Cluster()
	for w := range 2 {
		clients.Go(func() {
			for n := w; !quit.Load(); n += 2 {
				one, two := pair(n)
				_, err := c.TxPipelined(context.Background(), func(p redis.Pipeliner) error {
					p.Set(context.Background(), one, n, 0)
					p.Set(context.Background(), two, n, 0)
					return nil
				})
				if err != nil {
					turnedAway.Add(1)
					continue
				}
				written.Add(1)
				acked[n%pairs].Store(int64(n))
			}
		})
		clients.Go(func() {
			for n := w; !quit.Load(); n += 7 {
				one, two := pair(n)
				least := acked[n%pairs].Load()
				both, err := c.MGet(context.Background(), one, two).Result()
				if err != nil {
					turnedAway.Add(1)
					continue
				}
				read.Add(1)
				if both[0] != both[1] {
					t.Errorf("%s and %s are %v", one, two, both)
				}
				var got int64
				if _, err := fmt.Sscan(fmt.Sprint(both[0]), &got); least > 0 && (err != nil || got < least) {
					t.Errorf("%s is %v, and was %d", one, both[0], least)
				}
			}
		})
	}
	b.apply(four)
	b.apply(three)
	quit.Store(true)
	clients.Wait()
	t.Logf("%d transactions, %d reads, %d turned away", written.Load(), read.Load(), turnedAway.Load())
	if written.Load() < 1000 || read.Load() < 1000 || turnedAway.Load() > written.Load()/10 {
		t.Error("too little was done")
	}
	fresh := b.fleet.Cluster()
	for n := range pairs {
		one, two := pair(n)
		both, err := fresh.MGet(context.Background(), one, two).Result()
		var got int64
		if err == nil && both[0] != nil {
			_, err = fmt.Sscan(fmt.Sprint(both[0]), &got)
		}
		if err != nil || both[0] != both[1] || got < acked[n].Load() {
			t.Errorf("%s and %s are %v, acknowledged was %d: %v", one, two, both, acked[n].Load(), err)
		}
	}
	b.fleet.Check(t)
	b.fleet.Read(t, filler, 64)
}
