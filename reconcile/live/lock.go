package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// One actor per cluster. Every acting run keeps a connection of its own to each
// node it can reach, named with lockPrefix and who it is. It first names all its
// connections and then looks at each node for others so named; only a run that
// sees nobody else acts. Of two runs that share one node, the one that looks
// second sees the first, so they never both act; they may both step back, and
// then try again after a random pause. A node is shared by two runs also when
// only one of them lists it and it is a member that the other one has observed:
// their inventories may have nothing in common. A name dies with its connection, so a
// killed run leaves nothing behind; while the lock is held, it is kept from being
// idle (lock_keep.go). Runs on one machine meet in a locked file first, which
// also covers a cluster whose nodes do not exist yet.

const (
	lockPrefix = "slotwright:"
	// attempts is how often a run that met another one looks again.
	attempts = 4
)

// held is a lock this run has.
type held struct {
	conns map[string]Conn // by node name
	mark  string
	free  func() // unlocks the file

	// alive ends when the lock is lost to another run, with the loss as its
	// cause, or given back.
	alive   context.Context
	end     context.CancelCauseFunc
	beating sync.WaitGroup
	looking sync.Mutex // one check of the names at a time
}

// Lock makes this run the only one that acts on the cluster as it was last
// observed, until unlock is called or the process ends. While another run acts, holder says who, unlock is
// nil and nothing is locked.
func (c *Cluster) Lock(ctx context.Context) (unlock func(), holder string, err error) {
	free, holder, err := c.lockFile()
	if err != nil || holder != "" {
		return nil, holder, err
	}
	places, err := c.platform.Places(ctx)
	if err != nil {
		free()
		return nil, "", fmt.Errorf("lock %s: list the nodes: %w", c.want.Name, err)
	}
	places = append(slices.Clone(places), c.beside...)
	for n := range attempts {
		var h *held
		h, holder, err = c.try(ctx, places)
		if h != nil {
			h.free = free
			c.held = h
			c.keepNamed(context.WithoutCancel(ctx), h)
			return sync.OnceFunc(c.unlock), "", nil
		}
		if err != nil || n == attempts-1 {
			break
		}
		pause := time.Duration(100+rand.IntN(400)) * time.Millisecond // #nosec G404 -- to part two runs
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	free()
	return nil, holder, err
}

func (c *Cluster) unlock() {
	c.held.end(nil)
	c.held.release() // and with it the command that the last beat may wait for
	c.held.beating.Wait()
	c.held.free()
	c.held = nil
}

func (h *held) release() {
	for _, conn := range h.conns {
		_ = conn.Close()
	}
}

// try names this run at every node that answers, and then looks for others. It
// returns the lock, or who else is there.
func (c *Cluster) try(ctx context.Context, places []cluster.Place) (*held, string, error) {
	h := &held{conns: map[string]Conn{}, mark: c.mark()}
	var mu sync.Mutex
	err := eachErr(places, func(p cluster.Place) error {
		if !p.Exists || p.Addr == "" {
			return nil
		}
		conn, err := c.name(ctx, p, h.mark)
		if conn != nil {
			mu.Lock()
			defer mu.Unlock()
			h.conns[p.Name] = conn
		}
		return err
	})
	if err != nil {
		h.release()
		return nil, "", fmt.Errorf("lock %s: %w", c.want.Name, err)
	}
	holder, err := h.others(ctx)
	if err != nil || holder != "" {
		h.release()
		return nil, holder, err
	}
	return h, "", nil
}

// mark is what this run is called: the cluster, the host and the process. The
// number keeps two runs of one process apart.
func (c *Cluster) mark() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s%s:%s:%d:%x", lockPrefix, plainName(c.want.Name), plainName(host), os.Getpid(), rand.Uint32()) // #nosec G404 -- a name, no secret
}

// plainName keeps the characters that a client name may have.
func plainName(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, text)
}

// name makes a connection that carries the mark. A node that does not answer is
// passed over: nothing can be done to it either. One of the platform's that
// refuses the command is an error, because another run could not be seen there.
func (c *Cluster) name(ctx context.Context, p cluster.Place, mark string) (Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience.answer)
	defer cancel()
	conn := c.dial(p.Addr)
	_, err := conn.Do(ctx, "CLIENT", "SETNAME", mark)
	if err == nil {
		return conn, nil
	}
	_ = conn.Close()
	var refusal ServerError
	if p.Listed && errors.As(err, &refusal) && refusedLogin(err) == "NOPERM" {
		return nil, fmt.Errorf("%s %s", p.Name, trouble(err))
	}
	return nil, nil
}

// others looks at every named connection's node for other runs.
func (h *held) others(ctx context.Context) (holder string, err error) {
	var mu sync.Mutex
	err = eachErr(slices.Collect(maps.Keys(h.conns)), func(name string) error {
		_, who, err := h.namesAt(ctx, h.conns[name])
		if err != nil {
			return fmt.Errorf("lock at %s: %w", name, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if who != "" {
			holder = fmt.Sprintf("%s (seen at %s)", who, name)
		}
		return nil
	})
	return holder, err
}

// namesAt lists the runs at one node: whether this one is there, and another.
func (h *held) namesAt(ctx context.Context, conn Conn) (mine bool, other string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience.answer)
	defer cancel()
	value, err := conn.Do(ctx, "CLIENT", "LIST", "TYPE", "normal")
	list, err := asText(Reply{Value: value, Err: err})
	if err != nil {
		return false, "", err
	}
	for field := range strings.FieldsSeq(list) {
		switch name, ok := strings.CutPrefix(field, "name="); {
		case !ok || !strings.HasPrefix(name, lockPrefix):
		case name == h.mark:
			mine = true
		default:
			other = clip(name)
		}
	}
	return mine, other, nil
}
