package sim

import (
	"maps"
	"slices"

	"github.com/slotwright/slotwright/spec/slot"
)

// server is one node: what it believes of the cluster, and its data.
type server struct {
	addr, host           string
	port                 int
	opts                 Options
	config               map[string]string
	down, paused, hidden bool

	me    ident
	peers []*peer // by ident, me too; nil: not known
	owner [slot.Count]ident
	owned int // slots with an owner
	// Slots whose owner did not claim them when it was last heard.
	unclaimed slot.Set
	// The marks of half-moved slots: to whom, from whom.
	migrating, importing map[int]ident
	handshakes           []handshake
	bans                 map[ident]int // until when gossip about it is ignored
	current, vote        uint64        // current epoch, last epoch voted in
	cast                 uint64        // votes since it was started

	ok       bool // cluster_state
	started  int
	minority int // when it last saw no majority of masters

	linked   bool // a replica in sync
	history  history
	sync     int // seconds until it is
	failover *failover

	keys      map[int]bucket // by slot
	functions map[string]string
	sessions  []*Session
	life      int // how often it was started
}

// bucket is the keys of one slot. It is never changed, only replaced, so that
// clones share it.
type bucket map[string]string

// peer is what a server believes of a node.
type peer struct {
	host   string
	port   int
	master ident // none: it is a master
	epoch  uint64
	slots  slot.Set
	heard  int // when it last answered
	pfail  bool
	fail   bool
	failed int // since when
}

// handshake is a MEET that has not been answered.
type handshake struct {
	host  string
	port  int
	until int
}

// history is the replication ID of a data set, and the one before its server
// was promoted. The offset is always 0, as only the IDs tell one from another.
type history struct{ id, former int }

type failover struct {
	until int
	force bool
}

// start is what a process does when it comes up, with or without data.
func (s *server) start(now int) {
	s.ok, s.started, s.minority = false, now, now
	s.linked, s.sync, s.failover = false, syncTime, nil
	s.handshakes, s.sessions = nil, nil
	s.life++
	for _, p := range s.peers {
		if p != nil {
			p.heard = now
		}
	}
}

func (s *server) answers() bool { return !s.down && !s.paused }

func (s *server) self() *peer { return s.peers[s.me] }

func (s *server) isMaster() bool { return s.self().master == none }

// peer is what s believes of a node; nil when it does not know it.
func (s *server) peer(id ident) *peer {
	if id < 0 || int(id) >= len(s.peers) {
		return nil
	}
	return s.peers[id]
}

func (s *server) know(id ident, host string, port int) *peer {
	for int(id) >= len(s.peers) {
		s.peers = append(s.peers, nil)
	}
	s.peers[id] = &peer{host: host, port: port, master: none}
	return s.peers[id]
}

// forget drops a node and everything it owned, as s sees it.
func (s *server) forget(id ident) {
	for n := range s.peers[id].slots.Each() {
		s.disown(n)
	}
	for _, p := range s.peers {
		if p != nil && p.master == id {
			p.master = none // a replica whose master nobody knows
		}
	}
	for _, marks := range []map[int]ident{s.migrating, s.importing} {
		maps.DeleteFunc(marks, func(_ int, to ident) bool { return to == id })
	}
	s.peers[id] = nil
}

// forgetAll leaves s knowing nobody, not even itself.
func (s *server) forgetAll() {
	s.peers, s.handshakes = nil, nil
	s.migrating, s.importing, s.bans = map[int]ident{}, map[int]ident{}, map[ident]int{}
	s.owned = 0
	for i := range s.owner {
		s.owner[i] = none
	}
}

func (s *server) own(n int, id ident) {
	s.disown(n)
	s.owner[n] = id
	s.owned++
	s.peers[id].slots.Add(n)
}

func (s *server) disown(n int) {
	id := s.owner[n]
	if id == none {
		return
	}
	s.owner[n] = none
	s.owned--
	s.unclaimed.Remove(n)
	s.peers[id].slots.Remove(n)
}

// count is the number of keys in a slot.
func (s *server) count(n int) int { return len(s.keys[n]) }

func (s *server) size() int {
	total := 0
	for _, b := range s.keys {
		total += len(b)
	}
	return total
}

func (s *server) get(key string) (string, bool) {
	v, ok := s.keys[slot.Of(key)][key]
	return v, ok
}

// set writes a key here and at the replicas that are in sync.
func (w *World) set(s *server, key, value string) {
	w.replicate(s, func(to *server) {
		b := maps.Clone(to.keys[slot.Of(key)])
		if b == nil {
			b = bucket{}
		}
		b[key] = value
		to.keys[slot.Of(key)] = b
		to.touch(key)
	})
}

// remove deletes a key here and at the replicas that are in sync.
func (w *World) remove(s *server, key string) {
	w.replicate(s, func(to *server) {
		n := slot.Of(key)
		to.touch(key)
		b := maps.Clone(to.keys[n])
		delete(b, key)
		if to.keys[n] = b; len(b) == 0 {
			delete(to.keys, n)
		}
	})
}

// replicate applies a write to a master and its replicas in sync. Real
// replication lags; here it is instant, so that a lost key is always the fault
// of an order of commands.
func (w *World) replicate(s *server, write func(*server)) {
	write(s)
	for _, r := range w.servers {
		if r != s && !r.down && r.linked && r.self().master == s.me {
			write(r)
		}
	}
}

func (s *server) clone() *server {
	c := *s
	c.config, c.functions, c.keys = maps.Clone(s.config), maps.Clone(s.functions), maps.Clone(s.keys)
	c.migrating, c.importing, c.bans = maps.Clone(s.migrating), maps.Clone(s.importing), maps.Clone(s.bans)
	c.handshakes = slices.Clone(s.handshakes)
	c.sessions = nil
	c.peers = make([]*peer, len(s.peers))
	for i, p := range s.peers {
		if p != nil {
			twin := *p
			c.peers[i] = &twin
		}
	}
	if s.failover != nil {
		twin := *s.failover
		c.failover = &twin
	}
	return &c
}
