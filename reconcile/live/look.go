package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// look is what one node says right now. What a plan was made on may be minutes
// old; every dangerous command is preceded by a look.
type look struct {
	name  string
	addr  string
	self  *cluster.Line
	lines map[string]*cluster.Line // by node ID
	info  cluster.Info
}

// look asks a node that must answer, and be the one that was seen there.
func (w *work) look(ctx context.Context, n *cluster.Node) (*look, error) {
	place := cluster.Place{Name: n.Name, Addr: n.Addr, Exists: true}
	view := w.ask(ctx, place, watched)
	switch {
	case view.Trouble != "":
		return nil, fmt.Errorf("%s at %s does not answer: %s", n.Name, n.Addr, view.Trouble)
	case view.Loading:
		return nil, fmt.Errorf("%s at %s is loading its data", n.Name, n.Addr)
	}
	return recognised(n, view)
}

// glimpse is look for those who only want to know whom a node knows, with its
// keys unknown and no config: a hundred nodes are asked many times over, and
// INFO and CONFIG cost a server nearly as much again.
func (w *work) glimpse(ctx context.Context, n *cluster.Node) (*look, error) {
	ctx, cancel := context.WithTimeout(ctx, patience.answer)
	defer cancel()
	view := cluster.View{Info: cluster.Info{Keys: cluster.Unknown}}
	value, err := w.conn(n.Addr).Do(ctx, "CLUSTER", "NODES")
	text, err := asText(Reply{Value: value, Err: err})
	if err == nil {
		view.Lines, err = cluster.ParseNodes(text)
	}
	if err != nil {
		w.drop(n.Addr)
		return nil, fmt.Errorf("%s at %s does not answer: %s", n.Name, n.Addr, trouble(err))
	}
	return recognised(n, view)
}

// recognised is the look of a node that is the one that was seen there.
func recognised(n *cluster.Node, view cluster.View) (*look, error) {
	l := &look{
		name: n.Name, addr: n.Addr, self: cluster.Myself(view.Lines), info: view.Info,
		lines: make(map[string]*cluster.Line, len(view.Lines)),
	}
	for i := range view.Lines {
		l.lines[view.Lines[i].ID] = &view.Lines[i]
	}
	if n.ID != "" && n.ID != l.self.ID {
		return nil, fmt.Errorf("%s at %s is another node than the one seen (now %.8s, then %.8s)",
			n.Name, n.Addr, l.self.ID, n.ID)
	}
	return l, nil
}

// lookByName is look for the node that a step names.
func (w *work) lookByName(ctx context.Context, name string) (*look, error) {
	n, err := w.node(name)
	if err != nil {
		return nil, err
	}
	return w.look(ctx, n)
}

// lookAll asks nodes at once. All must answer.
func (w *work) lookAll(ctx context.Context, nodes []*cluster.Node) ([]*look, error) {
	looks := make([]*look, len(nodes))
	errs := make([]error, len(nodes))
	each(nodes, func(i int, n *cluster.Node) { looks[i], errs[i] = w.look(ctx, n) })
	return looks, errors.Join(errs...)
}

// keys is the number of keys in every database, and whether it could be told.
func (l *look) keys() (int64, bool) { return l.info.Keys, l.info.Keys != cluster.Unknown }

// empty reports whether the node itself proves that nothing would be lost with
// it: no slot, no half-moved slot, no key in any database.
func (l *look) empty() error {
	keys, known := l.keys()
	switch {
	case len(l.self.Ranges) > 0:
		return fmt.Errorf("%s owns slots %v", l.name, l.self.Slots())
	case len(l.self.Open) > 0:
		return fmt.Errorf("%s has the half-moved slot %d", l.name, l.self.Open[0].Slot)
	case !known:
		return fmt.Errorf("%s does not tell how many keys it holds", l.name)
	case keys > 0:
		return fmt.Errorf("%s holds %d keys", l.name, keys)
	}
	return nil
}

// alone reports whether the node knows no other.
func (l *look) alone() bool { return len(l.lines) == 1 }

// knows returns the line of a node that l knows for good: no handshake, and
// with an address.
func (l *look) knows(id string) *cluster.Line {
	line := l.lines[id]
	if line == nil || line.Flags.Handshake || line.Flags.NoAddr {
		return nil
	}
	return line
}

// owned are the slots that all looks claim for themselves.
func owned(looks []*look) slot.Set {
	var all slot.Set
	for _, l := range looks {
		all = all.Union(l.self.Slots())
	}
	return all
}

// endpoint is where other nodes can reach l: MEET takes an address, never a
// name (cluster_legacy.c, clusterStartHandshake).
func (l *look) endpoint(ctx context.Context) (ip string, port, bus int, err error) {
	host, _, err := net.SplitHostPort(l.addr)
	if err != nil {
		return "", 0, 0, err
	}
	if announced := l.info.Config[cluster.AnnounceIP]; announced != "" {
		host = announced
	}
	if net.ParseIP(host) == nil {
		found, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			return "", 0, 0, fmt.Errorf("resolve %s: %w", host, err)
		}
		slices.SortStableFunc(found, func(a, b string) int { // IPv4 first
			return strings.Count(a, ":") - strings.Count(b, ":")
		})
		host = found[0]
	}
	return host, l.self.Port, l.self.Bus, nil
}
