package live

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
	"github.com/slotwright/slotwright/spec/slot"
)

// Options say how to reach the servers of a cluster.
type Options struct {
	Access Access
	// Again reads the access anew after a server refused the login: passwords
	// are rotated, also while a pass runs. Nil is never.
	Again func() (Access, error)
	// Dial makes the connections; nil is Connect(Access).
	Dial Dial
	// State is the directory of rosters and locks; "" is StateDir().
	State string
}

// Cluster is the running servers of one topology. It keeps its connections
// until Rest or Close ends them. Its methods may be called from one goroutine
// at a time.
type Cluster struct {
	want     spec.Topology
	platform Platform
	dial     Dial
	login    Login
	again    func() (Access, error)
	refused  atomic.Bool // a server refused the login since it was read
	state    string      // "" when there is no place to remember anything

	// emptied is when slots last left a node, by name; see linger.
	emptied map[string]time.Time
	// beside are the members that the platform does not list, as last observed.
	beside []cluster.Place
	// counted is the layout in which no key was found astray; see findStray.
	counted string
	formers formers

	mu    sync.Mutex
	conns map[string]Conn
	held  *held // the lock this run has, nil without one
}

// New opens the cluster of a topology whose nodes platform makes. Nothing is
// dialled yet. A changed certificate needs a new Cluster, and so does a changed
// password where it can't be read again.
func New(want spec.Topology, platform Platform, opts Options) *Cluster {
	c := &Cluster{
		want: want, platform: platform, dial: opts.Dial, login: opts.Access.Login, again: opts.Again,
		state: opts.State, conns: map[string]Conn{}, emptied: map[string]time.Time{},
	}
	if c.dial == nil {
		c.dial = Connect(opts.Access)
	}
	if c.state == "" {
		c.state, _ = StateDir()
	}
	return c
}

// Close ends every connection and watch. The cluster can be used again
// afterwards.
func (c *Cluster) Close() error {
	var watch error
	if w, ok := c.platform.(Watcher); ok {
		watch = w.Close()
	}
	return errors.Join(watch, c.hangUp())
}

// Rest ends every connection to the servers, whose buffers would be most of what
// a daemon of a hundred clusters holds in its pauses. The next command dials.
func (c *Cluster) Rest() {
	_ = c.hangUp() // nothing is lost with a connection that ends badly
	if r, ok := c.platform.(Rester); ok {
		r.Rest()
	}
}

func (c *Cluster) hangUp() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for addr, conn := range c.conns {
		errs = append(errs, conn.Close())
		delete(c.conns, addr)
	}
	return errors.Join(errs...)
}

// keepServed has the platform remember that every slot is served, before
// anything is done that a loss could follow.
func (c *Cluster) keepServed(ctx context.Context, seen cluster.State) error {
	k, ok := c.platform.(Keeper)
	if !ok || seen.Served || seen.Unserved() != (slot.Set{}) {
		return nil
	}
	return k.KeepServed(ctx)
}

// Changed tells when a look at the cluster is worth it; nil where the platform
// can't know.
func (c *Cluster) Changed() <-chan struct{} {
	if w, ok := c.platform.(Watcher); ok {
		return w.Changed()
	}
	return nil
}

// renew reads the login anew if a server refused it. One that is the same, or
// can't be read now, changes nothing: the next look tries again.
func (c *Cluster) renew() {
	if c.again == nil || !c.refused.Swap(false) {
		return
	}
	if access, err := c.again(); err == nil && access.Login != c.login {
		_ = c.Close() // nothing is lost with connections whose login is over
		c.mu.Lock()
		defer c.mu.Unlock()
		c.login, c.dial = access.Login, Connect(access)
	}
}

// conn is the connection to addr, made when it is first asked for.
func (c *Cluster) conn(addr string) Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn, ok := c.conns[addr]
	if !ok {
		conn = c.dial(addr)
		c.conns[addr] = conn
	}
	return conn
}

// drop ends the connection to a server in trouble. The next command dials anew;
// left alone, the client library would go on dialling every second and answer
// with its last error meanwhile.
func (c *Cluster) drop(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn, ok := c.conns[addr]; ok {
		_ = conn.Close()
		delete(c.conns, addr)
	}
}

// keep closes the connections to addresses that no view is about any more.
func (c *Cluster) keep(views []cluster.View) {
	used := make(map[string]bool, len(views))
	for _, v := range views {
		used[v.Place.Addr] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for addr, conn := range c.conns {
		if !used[addr] {
			_ = conn.Close()
			delete(c.conns, addr)
		}
	}
}

// each runs do for every item at once and returns when all are done.
func each[T any](items []T, do func(int, T)) {
	var wait sync.WaitGroup
	for i, item := range items {
		wait.Go(func() { do(i, item) })
	}
	wait.Wait()
}

// eachErr is each for deeds that can fail; one failure does not stop the rest.
func eachErr[T any](items []T, do func(T) error) error {
	errs := make([]error, len(items))
	each(items, func(i int, item T) { errs[i] = do(item) })
	return errors.Join(errs...)
}

// command sends one command to addr with the deadline of an ordinary command.
func (c *Cluster) command(ctx context.Context, addr string, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, patience.command)
	defer cancel()
	return c.conn(addr).Do(ctx, args...)
}

// patience is how long each kind of waiting may last. Running out of it is
// never harmful: the next pass goes on from what it sees.
var patience = struct {
	answer  time.Duration // a node's whole answer to an observation
	command time.Duration // one ordinary command
	empty   time.Duration // RESET of a replica, which drops its data first
	agree   time.Duration // until every member knows what one node did
	sync    time.Duration // until a replica has its master's data
	serve   time.Duration // until a started node answers
	flip    time.Duration // one CLUSTER FAILOVER, which the server gives 5 s
}{
	answer: 2 * time.Second, command: 10 * time.Second, empty: 2 * time.Minute, agree: 30 * time.Second,
	sync: 2 * time.Minute, serve: time.Minute, flip: 7 * time.Second,
}
