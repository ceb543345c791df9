package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

const (
	// grace is how long gossip alone may take before members that lag are told
	// directly, and then how long they get between two rounds of that.
	grace = 250 * time.Millisecond
	// mostNews is how many subjects one member is told of in one round: each
	// costs both ends a connection.
	mostNews = 16
)

// agree waits until every one of nodes has heard the news of the subjects.
// behind says which subjects' news a look does not show yet.
//
// A node's slots and role travel only in packets from that node itself. Each
// member sends one a second to a random other, and in a large cluster the rest
// is put off as long as others report the node alive: a hundred nodes take half
// a minute to agree. So a subject whose news is late at a
// member sends it a MEET: the packet's header has all the news, and meeting
// somebody who is known already changes nothing else (clusterProcessPacket).
func (w *work) agree(ctx context.Context, nodes []*cluster.Node, subjects []*look, behind func(*look) []string) error {
	byID := make(map[string]*look, len(subjects))
	for _, s := range subjects {
		byID[s.self.ID] = s
	}
	left := nodes
	told := time.Now()
	return until(ctx, patience.agree, func(ctx context.Context) error {
		late := w.late(ctx, left, behind)
		if len(late) == 0 {
			return nil
		}
		if time.Since(told) >= grace {
			told = time.Now()
			w.tell(ctx, late, byID)
		}
		left = left[:0:0]
		var errs []error
		for _, l := range late {
			left = append(left, l.node)
			errs = append(errs, l.err)
		}
		return errors.Join(errs[:min(len(errs), 3)]...)
	})
}

// lagging is a member that has not heard all news yet.
type lagging struct {
	node *cluster.Node
	ids  []string // of whom it has not heard; none when it did not answer
	err  error
}

func (w *work) late(ctx context.Context, nodes []*cluster.Node, behind func(*look) []string) []lagging {
	all := make([]lagging, len(nodes))
	each(nodes, func(i int, n *cluster.Node) {
		l, err := w.glimpse(ctx, n)
		all[i] = lagging{node: n, err: err}
		if err != nil {
			return
		}
		if all[i].ids = behind(l); len(all[i].ids) > 0 {
			all[i].err = fmt.Errorf("%s has not heard yet of the change at %.8s", n.Name, all[i].ids[0])
		}
	})
	var late []lagging
	for _, l := range all {
		if l.err != nil {
			late = append(late, l)
		}
	}
	return late
}

// tell sends the late members the news straight from the subjects.
func (w *work) tell(ctx context.Context, late []lagging, subjects map[string]*look) {
	late = slices.DeleteFunc(slices.Clone(late), func(l lagging) bool { return len(l.ids) == 0 })
	guests := make([]*look, len(late))
	each(late, func(i int, l lagging) { guests[i], _ = w.look(ctx, l.node) }) // the address it announces is asked only here
	calls := map[*look][]*look{}
	for i, l := range late {
		for _, id := range someOf(l.ids) {
			if s := subjects[id]; s != nil && guests[i] != nil && guests[i].self.ID != id {
				calls[s] = append(calls[s], guests[i])
			}
		}
	}
	// What could not be told now is told in the next round, or by gossip.
	_ = w.introduce(ctx, calls)
}

// someOf picks at random, so that the load of telling spreads over the subjects.
func someOf(ids []string) []string {
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:min(len(ids), mostNews)]
}

// introduce makes every host meet its guests, one pipeline per host.
func (w *work) introduce(ctx context.Context, calls map[*look][]*look) error {
	hosts := make([]*look, 0, len(calls))
	for host := range calls {
		hosts = append(hosts, host)
	}
	return eachErr(hosts, func(host *look) error {
		ctx, cancel := context.WithTimeout(ctx, patience.command)
		defer cancel()
		var cmds [][]any
		for _, guest := range calls[host] {
			ip, port, bus, err := guest.endpoint(ctx)
			if err != nil {
				return fmt.Errorf("introduce %s to %s: %w", guest.name, host.name, err)
			}
			cmds = append(cmds, []any{"CLUSTER", "MEET", ip, port, bus})
		}
		for i, reply := range w.conn(host.addr).Pipe(ctx, cmds) {
			if reply.Err != nil {
				return fmt.Errorf("introduce %s to %s: %w", calls[host][i].name, host.name, reply.Err)
			}
		}
		return nil
	})
}
