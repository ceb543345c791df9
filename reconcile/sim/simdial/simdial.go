// Package simdial connects the room that acts on servers to a simulated world:
// a live.Dial over sim, with a knife that cuts connections at a chosen command.
// It is for tests only.
package simdial

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/slotwright/slotwright/reconcile/live"
	"github.com/slotwright/slotwright/reconcile/sim"
)

// ErrCut is what every command returns once the knife has cut.
var ErrCut = errors.New("connection cut")

// Knife cuts all connections of one run at its n-th writing command, as a crash
// of the run would: before the command reaches its server, or after it was
// carried out and before the answer arrives. The zero value only counts. It may
// be used by several goroutines.
type Knife struct {
	At    int  // 1 is the first writing command; 0 never cuts
	After bool // the command is carried out, its answer is lost

	mu    sync.Mutex
	count int
	cut   bool
	last  string
}

// Writes is the number of writing commands so far.
func (k *Knife) Writes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.count
}

// Cut says whether the knife has cut, and at which command.
func (k *Knife) Cut() (bool, string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cut, k.last
}

// Dial connects to the servers of a world. Refusals are live.ServerErrors. A
// connection whose server restarted connects again with the next command. The
// knife may be nil.
func Dial(w *sim.World, knife *Knife) live.Dial {
	if knife == nil {
		knife = &Knife{}
	}
	return func(addr string) live.Conn { return &conn{w: w, knife: knife, addr: addr} }
}

// Clock lets a second of the world pass with every second, until ctx ends. In a
// testing/synctest bubble those seconds cost nothing.
func Clock(ctx context.Context, w *sim.World) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
			w.Tick()
		}
	}
}

type conn struct {
	w      *sim.World
	knife  *Knife
	addr   string
	mu     sync.Mutex
	open   *sim.Session
	closed bool
}

func (c *conn) Do(ctx context.Context, args ...any) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.do(ctx, args)
}

func (c *conn) Pipe(ctx context.Context, cmds [][]any) []live.Reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]live.Reply, len(cmds))
	for i, args := range cmds {
		out[i].Value, out[i].Err = c.do(ctx, args)
	}
	return out
}

func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.open != nil {
		c.open.Close()
		c.open = nil
	}
	return nil
}

func (c *conn) do(ctx context.Context, args []any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.closed {
		return nil, errors.New("connection closed")
	}
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = text(a)
	}
	writes := Writes(words)
	if c.knife.stops(words, writes, false) {
		return nil, c.die()
	}
	if c.open == nil || c.open.Lost() {
		c.open = c.w.Open(c.addr)
	}
	v, err := c.open.Do(words...)
	if c.knife.stops(words, writes, true) {
		return nil, c.die()
	}
	var refused sim.Error
	if errors.As(err, &refused) {
		return nil, live.ServerError(refused)
	}
	if errors.Is(err, sim.ErrDown) {
		return nil, fmt.Errorf("dial %s: %w", c.addr, syscall.ECONNREFUSED)
	}
	return v, err
}

// die ends the connection, so that the server forgets its name as it forgets
// that of a dead process.
func (c *conn) die() error {
	if c.open != nil {
		c.open.Close()
	}
	return ErrCut
}

// text is an argument as it goes over the wire.
func text(arg any) string {
	if b, ok := arg.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(arg)
}

// stops says that the run is dead before (after: once the server has carried
// it out) this command.
func (k *Knife) stops(words []string, writes, after bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if writes && !after && !k.cut {
		k.count++
	}
	if !k.cut && writes && k.count == k.At && k.After == after {
		k.cut, k.last = true, strings.Join(words, " ")
	}
	return k.cut
}

// reads are the commands, and the subcommands of CLUSTER, CONFIG and others,
// that change nothing a crash could leave half done. What EXEC does is counted
// when it is queued, all of it or nothing.
var reads = map[string]bool{
	"ASKING": true, "AUTH": true, "CLIENT": true, "DBSIZE": true, "DUMP": true, "EVAL_RO": true, "EXEC": true, "EXISTS": true, "GET": true,
	"HELLO": true, "INFO": true, "MEMORY": true, "MULTI": true, "PING": true, "PTTL": true, "SELECT": true, "TIME": true, "TYPE": true, "WAIT": true,
	"WATCH": true, "CLUSTER COUNTKEYSINSLOT": true, "CLUSTER GETKEYSINSLOT": true, "CLUSTER INFO": true, "CLUSTER KEYSLOT": true,
	"CLUSTER MYID": true, "CLUSTER NODES": true, "CLUSTER GETSLOTMIGRATIONS": true,
	"CONFIG GET": true, "FUNCTION DUMP": true, "FUNCTION LIST": true,
}

// Writes says whether a command changes a server. What is not known to be a
// reading command counts as writing.
func Writes(words []string) bool {
	name := strings.ToUpper(words[0])
	if reads[name] {
		return false
	}
	return len(words) < 2 || !reads[name+" "+strings.ToUpper(words[1])]
}
