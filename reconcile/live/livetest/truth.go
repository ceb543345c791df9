package livetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slotwright/slotwright/spec/slot"
)

// Truth is clients that demand the truth of a cluster. Each key has one writer
// and versions that only grow; any number of readers read all keys. Every fifth
// version is a deletion: that the key is gone is what it says. A read must
// never give a version older than one that was acknowledged before the read
// began, or that the same reader has had before: a deleted key that is back is
// one of an older version. What of this a cluster may
// break by itself, because its replication is asynchronous, is told apart from
// what nothing may break; see verdict.
//
// Truth is stricter than Traffic: that one compares what a writer finds of its
// own keys and knows nothing of masters that fall.
type Truth struct {
	fleet *Fleet
	opts  TruthOptions
	marks bool // replicas know marks of open slots, and so the heirs of masters do
	quit  atomic.Bool
	all   sync.WaitGroup
	count struct{ writes, copied, reads, refused, unknown atomic.Int64 }
	hot   []atomic.Pointer[truthKey] // being written, by writer

	mu    sync.Mutex
	keys  []*truthKey // all there ever were
	reads []read      // those that are to be explained
	falls []*fall
}

// TruthOptions say what clients there are.
type TruthOptions struct {
	Writers, Readers int
	Keys             int           // of each writer, written again and again
	Body             int           // written once, before the clients begin
	Pause            time.Duration // between two commands of a client
	// Replicas makes every write ask for the acknowledgement of a replica (WAIT
	// 1). It wants one replica a shard: with two, the one that is elected need
	// not be the one that acknowledged.
	Replicas bool
}

// truthKey is one key and all that was written to it.
type truthKey struct {
	name  string
	slot  int
	floor atomic.Int64 // the newest version acknowledged
	tried atomic.Int64 // the newest version sent

	mu     sync.Mutex
	writes []write
}

// write is one attempt to write a version: what a server was sent, and said.
type write struct {
	version int64
	addr    string
	sent    time.Time
	acked   bool // the server said OK, or how many keys it has deleted
	copied  bool // and its replica has it
}

// read is one that gave a version older than it had to.
type read struct {
	key        *truthKey
	got, floor int64
	addr       string
	saw        sight // where the floor was seen, if a reader saw it and nobody was told OK
	ended      time.Time
}

// Truth writes the body and starts the clients.
func (f *Fleet) Truth(o TruthOptions) *Truth {
	f.t.Helper()
	f.traffic++ // what earlier clients wrote is not theirs
	tr := &Truth{fleet: f, opts: o, marks: f.copiesMarks(), hot: make([]atomic.Pointer[truthKey], o.Writers*o.Keys)}
	f.t.Cleanup(tr.rest) // also of a test that failed: the next one may have the same addresses
	body := make([]*truthKey, o.Body)
	for i := range body {
		body[i] = tr.key(fmt.Sprintf("body:%d:%d", f.traffic, i))
	}
	tr.abreast(body, func(r *router, k *truthKey) { tr.write(r, k) })
	for w := range o.Writers {
		for i := range o.Keys {
			tr.hot[w*o.Keys+i].Store(tr.key(fmt.Sprintf("truth:%d:%d:%d", f.traffic, w, i)))
		}
	}
	for w := range o.Writers {
		tr.client(func(r *router, n int) { tr.rewrite(r, w*o.Keys+n%o.Keys) })
	}
	for c := range o.Readers {
		seen := map[*truthKey]sight{}
		tr.client(func(r *router, n int) { tr.read(r, tr.pick(n, c), seen, readPatience) })
	}
	return tr
}

// key makes a key that nobody has written yet.
func (tr *Truth) key(name string) *truthKey {
	k := &truthKey{name: name, slot: slot.Of(name)}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.keys = append(tr.keys, k)
	return k
}

// client does something again and again until the end.
func (tr *Truth) client(deed func(r *router, n int)) {
	tr.all.Go(func() {
		r := tr.fleet.router()
		defer r.close()
		for n := 0; !tr.quit.Load(); n++ {
			deed(r, n)
			time.Sleep(tr.opts.Pause)
		}
	})
}

// pick is the key that a reader reads at its n-th turn: mostly one that is
// being written, every fourth time any.
func (tr *Truth) pick(n, reader int) *truthKey {
	if n%4 != 0 && len(tr.hot) > 0 {
		return tr.hot[(n*7+reader*13)%len(tr.hot)].Load()
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.keys[(n*7+reader*13)%len(tr.keys)]
}

// Audit reads every key there ever was, and demands an answer.
func (tr *Truth) Audit() TruthReport {
	tr.mu.Lock()
	keys := tr.keys[:len(tr.keys):len(tr.keys)]
	tr.mu.Unlock()
	var dumb sync.Map
	tr.abreast(keys, func(r *router, k *truthKey) {
		if !tr.read(r, k, nil, auditPatience) {
			dumb.Store(k.name, nil)
		}
	})
	for _, f := range tr.falls {
		f.settle()
	}
	return tr.report(&dumb)
}

// Stop ends the clients and audits.
func (tr *Truth) Stop() TruthReport {
	tr.rest()
	return tr.Audit()
}

// rest ends the clients.
func (tr *Truth) rest() {
	tr.quit.Store(true)
	tr.all.Wait()
}

// abreast does something to every key, over eight connections.
func (tr *Truth) abreast(keys []*truthKey, deed func(*router, *truthKey)) {
	const width = 8
	var all sync.WaitGroup
	for i := range width {
		all.Go(func() {
			r := tr.fleet.router()
			defer r.close()
			for n := i; n < len(keys); n += width {
				deed(r, keys[n])
			}
		})
	}
	all.Wait()
}
