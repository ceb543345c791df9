package livetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Traffic is clients that write and read all the time and remember what was
// acknowledged to them.
type Traffic struct {
	fleet   *Fleet
	client  *redis.ClusterClient
	quit    atomic.Bool
	all     sync.WaitGroup
	writers []*writer
}

// Report is what the clients saw.
type Report struct {
	Writes, Reads int
	Errors        int      // commands that failed, redirections followed
	FirstError    string   // of one writer
	Lost          []string // keys without the last value acknowledged, one sentence each
	P50, P99, Max time.Duration
}

// writer writes to its own keys only, so it knows what each must hold.
type writer struct {
	name    string
	acked   map[string]string // the last value acknowledged, by key
	doubt   map[string]string // a value that may or may not have arrived, by key
	keys    []string
	took    []time.Duration
	report  Report
	version int
}

// keysPerWriter spreads the keys of one writer over many slots.
const keysPerWriter = 200

// Traffic starts clients. Each waits pause between two commands.
func (f *Fleet) Traffic(clients int, pause time.Duration) *Traffic {
	f.traffic++ // what earlier clients wrote is not theirs
	tr := &Traffic{fleet: f, client: f.Cluster()}
	for i := range clients {
		w := &writer{name: fmt.Sprintf("traffic:%d:%d", f.traffic, i), acked: map[string]string{}, doubt: map[string]string{}}
		for k := range keysPerWriter {
			w.keys = append(w.keys, fmt.Sprintf("%s:%d", w.name, k))
		}
		tr.writers = append(tr.writers, w)
		tr.all.Go(func() {
			for n := 0; !tr.quit.Load(); n++ {
				w.write(tr.client, n%keysPerWriter)
				w.read(tr.client, n*7%keysPerWriter)
				time.Sleep(pause)
			}
		})
	}
	return tr
}

// Stop ends the clients, then looks for everything that was acknowledged, with
// a client that begins anew: what an old one remembers of the map is its own
// matter, what the cluster holds is the cluster's.
func (tr *Traffic) Stop() Report {
	tr.quit.Store(true)
	tr.all.Wait()
	fresh := tr.fleet.Cluster()
	var sum Report
	var took []time.Duration
	for _, w := range tr.writers {
		w.verify(fresh)
		sum.Writes += w.report.Writes
		sum.Reads += w.report.Reads
		sum.Errors += w.report.Errors
		sum.Lost = append(sum.Lost, w.report.Lost...)
		if sum.FirstError == "" {
			sum.FirstError = w.report.FirstError
		}
		took = append(took, w.took...)
	}
	if slices.Sort(took); len(took) > 0 {
		sum.P50, sum.P99, sum.Max = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	}
	return sum
}

func (w *writer) write(c *redis.ClusterClient, k int) {
	key := w.keys[k]
	w.version++
	value := fmt.Sprintf("%s=%d", key, w.version)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	begin := time.Now()
	err := c.Set(ctx, key, value, 0).Err()
	w.took = append(w.took, time.Since(begin))
	w.report.Writes++
	if err == nil {
		w.acked[key] = value
		return
	}
	// Nobody knows whether it arrived, or still will. The key is left as it is
	// from now on, and a new one takes its place.
	w.failed(err)
	w.doubt[key] = value
	w.keys[k] = fmt.Sprintf("%s:%d:%d", w.name, k, w.version)
}

func (w *writer) read(c *redis.ClusterClient, k int) {
	key := w.keys[k]
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	begin := time.Now()
	got, err := c.Get(ctx, key).Result()
	w.took = append(w.took, time.Since(begin))
	w.report.Reads++
	if err != nil && !errors.Is(err, redis.Nil) {
		w.failed(err)
		return
	}
	w.compare(key, got)
}

func (w *writer) verify(c *redis.ClusterClient) {
	for key := range w.acked {
		var got string
		var err error
		Eventually(10*time.Second, func() bool {
			got, err = c.Get(context.Background(), key).Result()
			return err == nil || errors.Is(err, redis.Nil)
		})
		if err != nil && !errors.Is(err, redis.Nil) {
			w.report.Lost = append(w.report.Lost, fmt.Sprintf("%s can't be read: %v", key, err))
			continue
		}
		w.compare(key, got)
	}
}

func (w *writer) compare(key, got string) {
	want := w.acked[key]
	if got != want && (got == "" || got != w.doubt[key]) {
		w.report.Lost = append(w.report.Lost, fmt.Sprintf("%s is %q, acknowledged was %q", key, got, want))
	}
}

func (w *writer) failed(err error) {
	w.report.Errors++
	if w.report.FirstError == "" {
		w.report.FirstError = err.Error()
	}
}
