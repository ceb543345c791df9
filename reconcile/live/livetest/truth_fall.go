package livetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/spec/slot"
)

// fall is a master that lost its place: killed, paused for longer than the node
// timeout, or replaced by its replica.
type fall struct {
	name, addr string
	mates      []string // its replicas, who may be its heirs
	at         time.Time
	done       time.Time // from here on nothing gets to the master any more
	how        How
	// had are the slots the master owned at a time before it last proved that
	// its replica has everything.
	had slot.Set
	// late are slots that got to the master, or were on their way to it, after
	// that proof.
	late slot.Set
	// open are the slots that were on their way from the master.
	open slot.Set

	mu    sync.Mutex
	until time.Time // when all was well again; zero before
}

func (f *fall) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.until.IsZero() {
		f.until = time.Now()
	}
}

// lasted says that a time lies between the fall and its end.
func (f *fall) lasted(at time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return at.After(f.at) && (f.until.IsZero() || at.Before(f.until))
}

// How a master loses its place.
type How string

const (
	// Agreed is CLUSTER FAILOVER: both servers agree on the last byte of
	// replication first, so nothing is lost.
	Agreed How = "agreed"
	// Alone is a master that is killed, or stands still until its replica is
	// elected: what it alone had is gone.
	Alone How = "alone"
	// Unasked is CLUSTER FAILOVER TAKEOVER. What the master alone had is gone,
	// and nobody is asked whether its slots are still its own: a slot that is
	// handed over in that very moment has two owners, and one of them drops
	// what it holds.
	Unasked How = "unasked"
)

// Fall notes that server i loses its place by deed. It goes on until the next
// Audit.
func (tr *Truth) Fall(i int, how How, deed func()) {
	tr.fleet.t.Helper()
	s := tr.fleet.Servers[i]
	f := &fall{name: s.Name, addr: s.Addr, how: how}
	before := tr.fleet.selves()
	self := before[s.Addr]
	for addr, o := range before {
		if o.master == self.id {
			f.mates = append(f.mates, addr)
		}
	}
	asked := time.Now()
	if tr.opts.Replicas && Eventually(2*time.Second, func() bool { return tr.covered(s.Addr, time.Now()).After(asked) }) {
		f.had = self.slots
	}
	f.at = time.Now()
	deed()
	f.done = time.Now()
	after := tr.fleet.selves()
	elsewhere := slot.Set{}
	for addr, o := range after {
		for _, m := range o.marks {
			if m.peer == self.id && m.importing {
				f.open.Add(m.slot)
			} else if m.peer == self.id {
				f.late.Add(m.slot)
			}
		}
		if addr != s.Addr && !slices.Contains(f.mates, addr) && o.master == "" {
			elsewhere = elsewhere.Union(o.slots)
		}
	}
	for _, m := range self.marks {
		if !m.importing {
			f.open.Add(m.slot)
		}
	}
	f.late = f.late.Union(slot.All().Minus(elsewhere)).Minus(f.had)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.falls = append(tr.falls, f)
}

// covered is when the last write before a time was sent to a master that its
// replica acknowledged. Replication is one ordered stream: with that write the
// replica has all that the master had then.
func (tr *Truth) covered(addr string, before time.Time) (at time.Time) {
	tr.mu.Lock()
	keys := tr.keys[:len(tr.keys):len(tr.keys)]
	tr.mu.Unlock()
	for _, k := range keys {
		k.mu.Lock()
		for _, w := range slices.Backward(k.writes) {
			if w.copied && w.addr == addr && w.sent.Before(before) {
				if w.sent.After(at) {
					at = w.sent
				}
				break
			}
		}
		k.mu.Unlock()
	}
	return at
}

// self is what a server says of itself in CLUSTER NODES.
type self struct {
	id, master string
	slots      slot.Set
	marks      []mark
}

// mark is an open slot, from this node to peer or, importing, from peer.
type mark struct {
	slot      int
	importing bool
	peer      string
}

// selves asks every server that answers for itself.
func (f *Fleet) selves() map[string]self {
	out := map[string]self{}
	for _, s := range f.running() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		c := redis.NewClient(&redis.Options{Addr: s.Addr, Username: f.opts.Username, Password: f.opts.Password,
			TLSConfig: f.clientTLS(), Protocol: 2, MaxRetries: -1, ContextTimeoutEnabled: true})
		text, err := c.ClusterNodes(ctx).Result()
		cancel()
		_ = c.Close()
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			if words := strings.Fields(line); len(words) > 7 && strings.Contains(words[2], "myself") {
				out[s.Addr] = selfOf(words)
			}
		}
	}
	return out
}

func selfOf(words []string) self {
	o := self{id: words[0], master: strings.Trim(words[3], "-")}
	for _, w := range words[8:] {
		var m mark
		var first, last int
		if n, _ := fmt.Sscanf(w, "[%d-", &m.slot); n == 1 {
			at := strings.IndexAny(w, "<>")
			m.importing = w[at] == '<'
			m.peer = strings.Trim(w[at+1:], "-]")
			o.marks = append(o.marks, m)
		} else if n, _ := fmt.Sscanf(w, "%d-%d", &first, &last); n == 2 {
			o.slots.AddRange(first, last)
		} else if n == 1 {
			o.slots.Add(first)
		}
	}
	return o
}

// copiesMarks says whether the servers tell their replicas of open slots
// (Valkey since 8; Redis does not).
func (f *Fleet) copiesMarks() bool {
	return strings.Contains(f.Servers[0].cmd.Path, "valkey-")
}
