package live

import (
	"context"
	"slices"
	"sync"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// lanes is over how many connections marks are set at a server whose replicas
// agree to each first: Valkey 8 and newer, unless it has none. Such a server
// holds up the connection of a SETSLOT for a round trip to its replicas, and
// what was sent behind it, too, but not the SETSLOTs of other connections. 512
// of them took 0.64 to 0.94 s on one connection and 0.08 to 0.18 s on 16
// (Valkey 8.0.1, loopback). MULTI is no way around: it makes the server abort.
const lanes = 16

// abreast connects to a server over as many connections more as its marks need.
func (p *party) abreast(n *cluster.Node) []Conn {
	followed := slices.ContainsFunc(p.seen.Nodes, func(r cluster.Node) bool { return r.Master == n.ID })
	if !followed || !valkey(n, 8) {
		return nil
	}
	more := make([]Conn, lanes-1)
	for i := range more {
		more[i] = p.dial(n.Addr)
	}
	return more
}

// valkey says whether a node runs Valkey of this major version or a newer one.
func valkey(n *cluster.Node, least int) bool {
	return n != nil && n.Server.Valkey(least)
}

// mark sends commands whose order does not matter, over all lanes.
func (e *end) mark(ctx context.Context, cmds [][]any) []Reply {
	ctx, cancel := begun(ctx, slack)
	defer cancel()
	replies, conns := make([]Reply, 0, len(cmds)), append([]Conn{e.conn}, e.more...)
	parts := slices.Collect(slices.Chunk(cmds, max(1, (len(cmds)+len(conns)-1)/len(conns))))
	answers := make([][]Reply, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { answers[i] = conns[i].Pipe(ctx, part) })
	}
	all.Wait()
	for _, a := range answers {
		replies = append(replies, a...)
	}
	return replies
}
