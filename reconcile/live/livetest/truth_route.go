package livetest

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/spec/slot"
)

// router is a cluster client that tells who answered. go-redis's own retries by
// itself, over any connection, and does not say to whom it spoke in the end.
type router struct {
	fleet *Fleet
	conns map[string]*redis.Client
	owner [slot.Count]string
	turn  int // of the servers that are asked for the map
}

// answer is what became of a command.
type answer struct {
	addr    string
	sent    time.Time
	values  []any
	refused error // no server would, so nothing changed
	unknown error // nobody can say whether it changed something, or still will
}

func (f *Fleet) router() *router {
	r := &router{fleet: f, conns: map[string]*redis.Client{}}
	r.refresh()
	return r
}

func (r *router) close() {
	for _, c := range r.conns {
		_ = c.Close()
	}
}

// conn is the one connection to a server; go-redis makes it anew when it broke.
func (r *router) conn(addr string) *redis.Client {
	c := r.conns[addr]
	if c == nil {
		o := r.fleet.opts
		c = redis.NewClient(&redis.Options{
			Addr: addr, Username: o.Username, Password: o.Password, TLSConfig: r.fleet.clientTLS(),
			Protocol: 2, MaxRetries: -1, PoolSize: 1, DisableIdentity: true, ContextTimeoutEnabled: true,
			DialTimeout: time.Second, DialerRetries: 1, ReadTimeout: 2 * time.Second, WriteTimeout: time.Second,
		})
		r.conns[addr] = c
	}
	return c
}

// send sends commands about one slot to who owns it, in one go, and follows
// redirections. The first command's answer decides.
func (r *router) send(s int, patience time.Duration, cmds ...[]any) answer {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		a := r.once(r.owner[s], cmds)
		if to, ok := redirection(a.refused, "ASK "); ok {
			a = r.once(to, append([][]any{{"ASKING"}}, cmds...))
		} else if to, ok := redirection(a.refused, "MOVED "); ok {
			r.owner[s] = to
			a = r.once(to, cmds)
		}
		if a.refused == nil && a.unknown == nil {
			return a
		}
		if a.unknown != nil || !strings.Contains(a.refused.Error(), "TRYAGAIN") {
			r.refresh()
		}
		if a.unknown != nil || time.Now().After(deadline) {
			return a
		}
	}
}

// errUnowned is why a command about a slot that nobody owns is sent to nobody.
var errUnowned = errors.New("nobody is known to own the slot")

// once sends commands to one server.
func (r *router) once(addr string, cmds [][]any) answer {
	if addr == "" {
		return answer{sent: time.Now(), refused: errUnowned}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	p := r.conn(addr).Pipeline()
	var all []*redis.Cmd
	for _, c := range cmds {
		all = append(all, p.Do(ctx, c...))
	}
	a := answer{addr: addr, sent: time.Now()}
	_, _ = p.Exec(ctx) // every command has its own error
	if cmds[0][0] == "ASKING" {
		all = all[1:]
	}
	for i, c := range all {
		v, err := c.Result()
		a.values = append(a.values, v)
		if i > 0 || err == nil || errors.Is(err, redis.Nil) {
			continue
		}
		var refusal redis.Error
		var broken *net.OpError
		if errors.As(err, &refusal) || errors.As(err, &broken) && broken.Op == "dial" {
			a.refused = err
		} else {
			a.unknown = err
		}
	}
	return a
}

// redirection is where a refusal of this kind sends us.
func redirection(err error, kind string) (addr string, ok bool) {
	if err == nil || !strings.HasPrefix(err.Error(), kind) {
		return "", false
	}
	words := strings.Fields(err.Error())
	addr = words[len(words)-1]
	return addr, !strings.HasPrefix(addr, ":") // an owner whose address is not known
}

// refresh asks the next server that answers who owns what.
func (r *router) refresh() {
	for range r.fleet.Servers {
		r.turn++
		s := r.fleet.Servers[r.turn%len(r.fleet.Servers)]
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		all, err := r.conn(s.Addr).ClusterSlots(ctx).Result() //nolint:staticcheck // Valkey took the deprecation back, and CLUSTER SHARDS differs from server to server
		cancel()
		if err != nil || len(all) == 0 {
			continue
		}
		for _, g := range all {
			if len(g.Nodes) == 0 || strings.HasPrefix(g.Nodes[0].Addr, ":") {
				continue
			}
			for n := g.Start; n <= g.End; n++ {
				r.owner[n] = g.Nodes[0].Addr
			}
		}
		return
	}
}
