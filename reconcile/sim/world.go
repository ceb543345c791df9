// Package sim is a cluster in memory that answers commands and can lose data
// the way the real server does: every node has its own table of owners and
// epochs, gossip takes time, and a node that learns it lost a slot drops the
// keys it still holds there.
//
// It has no clock, no goroutines and no randomness: Tick lets a second pass,
// and the same calls give the same run. It imports only spec/slot. What it
// claims of the server is checked by a script that runs on it and on
// redis-server 7 and compares the answers.
package sim

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"
)

// Error is an error reply: the server got the command and refused it.
type Error string

func (e Error) Error() string { return string(e) }

// What a client sees of a server that does not reply.
var (
	ErrDown   = errors.New("connection refused")
	ErrSilent = errors.New("i/o timeout")
)

// Options are how a server is set up. The zero value is redis 7.0.15 with its
// default configuration.
type Options struct {
	Name    string // redis or valkey, as INFO tells it
	Version string
	Config  map[string]string // over the defaults
}

// World is servers, the network between them and their clients. Its methods may
// be called from several goroutines; one command runs at a time.
type World struct {
	// After is called after every command and every tick, outside the lock, so
	// that it may ask the world anything. A tick has no addr and no args.
	After func(w *World, addr string, args []string)
	// Fault may refuse a command before the server runs it, also the
	// RESTORE-ASKING that MIGRATE sends to its target.
	Fault func(addr string, args []string) error
	// SlowBus lets news of a claim by SETSLOT arrive with the next tick. Else
	// every node hears it before the claimer answers the command. A real bus may
	// do either.
	SlowBus bool

	mu      sync.Mutex
	now     int // seconds
	servers []*server
	at      map[string]*server
	ids     []string // by ident
	group   map[*server]int
	clients int64
	streams int // replication IDs given out
}

// ident is a node identity. A server gets a new one by a hard reset or when it
// comes back without its data. Small, because every server has a table of 16384.
type ident int16

const none ident = -1

// New is a world without servers.
func New() *World {
	return &World{at: map[string]*server{}, group: map[*server]int{}}
}

// Add starts a blank server at host:port. The address must be free.
func (w *World) Add(addr string, opts Options) {
	w.mu.Lock()
	defer w.mu.Unlock()
	host, text, err := net.SplitHostPort(addr)
	port, portErr := strconv.Atoi(text)
	if err != nil || portErr != nil || w.at[addr] != nil {
		panic(fmt.Sprintf("sim: %q is not an address or is taken", addr))
	}
	if opts.Name == "" {
		opts.Name = "redis"
	}
	if opts.Version == "" {
		opts.Version = "7.0.15"
	}
	s := &server{addr: addr, host: host, port: port, opts: opts}
	w.blank(s)
	w.servers = append(w.servers, s)
	w.at[addr] = s
}

// blank makes s what a server is that finds no data.
func (w *World) blank(s *server) {
	s.keys, s.functions = map[int]bucket{}, map[string]string{}
	s.forgetAll()
	s.me = w.identity()
	s.know(s.me, "", s.port)
	s.current, s.vote = 0, 0
	w.begin(s)
}

// begin starts s, which writes a stream of its own from then on. What CONFIG SET
// changed before is gone: nobody rewrites a config file here.
func (w *World) begin(s *server) {
	s.config = defaults()
	maps.Copy(s.config, s.opts.Config)
	s.history = history{id: w.stream()}
	s.start(w.now)
}

func (w *World) stream() int {
	w.streams++
	return w.streams
}

// identity draws a new ID: spread like random ones, the same in every run.
func (w *World) identity() ident {
	x := uint64(len(w.ids) + 1)
	text := ""
	for range 3 {
		x += 0x9e3779b97f4a7c15
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		x = z ^ z>>31
		text += fmt.Sprintf("%016x", x)
	}
	w.ids = append(w.ids, text[:40])
	return ident(len(w.ids) - 1)
}

// find is the ident of an ID; none when nobody ever had it.
func (w *World) find(id string) ident {
	for i, known := range w.ids {
		if known == id {
			return ident(i)
		}
	}
	return none
}

// Kill ends a server at once. What it holds is kept for Restart.
func (w *World) Kill(addr string) { w.with(addr, func(s *server) { s.down = true }) }

// Pause stops a server without ending it; Resume lets it go on.
func (w *World) Pause(addr string) { w.with(addr, func(s *server) { s.paused = true }) }

// Resume ends a Pause.
func (w *World) Resume(addr string) { w.with(addr, func(s *server) { s.paused = false }) }

// Hide cuts clients off from a server that the others still reach; Show ends it.
func (w *World) Hide(addr string) { w.with(addr, func(s *server) { s.hidden = true }) }

// Show ends a Hide.
func (w *World) Show(addr string) { w.with(addr, func(s *server) { s.hidden = false }) }

// Restart starts a killed server again: with its data, or blank and with a new
// ID, as after the loss of its volume.
func (w *World) Restart(addr string, data bool) {
	w.with(addr, func(s *server) {
		s.down, s.paused = false, false
		if !data {
			w.blank(s)
			return
		}
		w.begin(s)
	})
}

// Partition cuts the servers into groups that can't reach each other; servers
// that are in none form one more. Clients reach all. No groups at all is no cut.
func (w *World) Partition(groups ...[]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.group)
	for i, addrs := range groups {
		for _, addr := range addrs {
			w.group[w.at[addr]] = i + 1
		}
	}
}

func (w *World) with(addr string, change func(*server)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w.at[addr])
}

// reach is the server that a listener at host:port is, as s sees it; nil when
// nobody answers.
func (w *World) reach(from *server, host string, port int) *server {
	s := w.at[net.JoinHostPort(host, strconv.Itoa(port))]
	if s == nil || !s.answers() || w.group[s] != w.group[from] {
		return nil
	}
	return s
}

// Clone is an independent copy of the world. Clients of the original stay with
// the original.
func (w *World) Clone() *World {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := New()
	c.After, c.Fault, c.SlowBus, c.now, c.clients, c.streams = w.After, w.Fault, w.SlowBus, w.now, w.clients, w.streams
	c.ids = append([]string(nil), w.ids...)
	for _, s := range w.servers {
		twin := s.clone()
		c.servers = append(c.servers, twin)
		c.at[twin.addr] = twin
		if g := w.group[s]; g != 0 {
			c.group[twin] = g
		}
	}
	return c
}

// Addrs are the addresses of all servers, in the order they were added.
func (w *World) Addrs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]string, len(w.servers))
	for i, s := range w.servers {
		out[i] = s.addr
	}
	return out
}
