package live

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// readiness bounds the wait for an end that has just joined. A fresh master
// answers CLUSTERDOWN for 2 to 6 s after it was met, and a key sent to it in
// that time is refused.
const readiness = time.Minute

// pair is the way of slots from one master to another.
type pair struct {
	*party
	from, to *end
	others   []*end        // the other masters that answer
	known    atomic.Uint64 // the config epoch of to that from and the others know
	replicas []heir        // of both, those that answer
	host     string        // of to, as from knows it: MIGRATE connects from there
	port     int
	timeout  time.Duration // of all MIGRATEs of a burst, inside the server
	history  string        // of from's data (master_replid), when the pair began
	sent     atomic.Int64  // keys that were sent and taken
	bytes    atomic.Int64  // what they took in the source's memory
	text     atomic.Pointer[string]
	combed   comb
}

// pair reaches both ends and waits until they are ready for each other.
func (p *party) pair(ctx context.Context, from, to string) (*pair, error) {
	a, err := p.reach(ctx, from)
	if err != nil {
		return nil, err
	}
	b, err := p.reach(ctx, to)
	if err != nil {
		return nil, err
	}
	w := &pair{party: p, from: a, to: b}
	for _, e := range []*end{a, b} {
		if e.probe == nil {
			e.probe = newProbe(p.dial(p.seen.Node(e.name).Addr))
		}
	}
	if b.memory == nil {
		n := p.seen.Node(to)
		if b.memory, err = newMemory(ctx, n, p.dial(n.Addr)); err != nil {
			return nil, err
		}
	}
	if err := w.meet(ctx); err != nil {
		return nil, err
	}
	if err := w.locate(ctx); err != nil {
		return nil, err
	}
	if w.timeout, err = a.migrateTimeout(ctx); err != nil {
		return nil, err
	}
	w.history, err = a.history(ctx)
	w.others, w.replicas = p.bystanders(ctx, a, b), append(p.heirs(a), p.heirs(b)...)
	return w, err
}

// meet waits until both ends serve and know each other as masters, which
// SETSLOT demands; after a failover that takes gossip a moment.
func (w *pair) meet(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readiness, fmt.Errorf("%s and %s are not ready for each other after %s", w.from.name, w.to.name, readiness))
	defer cancel()
	for {
		why, err := w.notReady(ctx)
		if err != nil || why == "" {
			return err
		}
		if err := w.remind(ctx, w.to); err != nil {
			return err
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("%w: %s", context.Cause(ctx), why)
		}
	}
}

// remind tells a node who owns the slots that have no owner in its view. A node
// that is importing a slot takes no claim to it from gossip: when the source
// is failed over meanwhile, the slot has no owner there any more and the node
// says cluster_state:fail until somebody tells it.
func (p *party) remind(ctx context.Context, e *end) error {
	_, lines, err := e.view(ctx)
	if err != nil {
		return err
	}
	lost := slot.All()
	for _, line := range lines {
		lost = lost.Minus(line.Slots())
	}
	for i := range p.seen.Nodes {
		n := &p.seen.Nodes[i]
		slots := slices.Collect(n.Slots.Intersect(lost).Each())
		if n.ID == e.id || len(slots) == 0 {
			continue
		}
		for _, err := range e.setSlots(ctx, slots, "NODE", n.ID) {
			if err != nil && !refused(err, "nknown node") { // it has not met everybody yet
				return err
			}
		}
	}
	return nil
}

// notReady says what is missing, or nothing when keys can move.
func (w *pair) notReady(ctx context.Context) (string, error) {
	for _, e := range []*end{w.to, w.from} {
		v, err := e.ask(ctx, "CLUSTER", "INFO")
		if err != nil {
			return "", err
		}
		if info, _ := v.(string); !strings.Contains(info, "cluster_state:ok") {
			return e.name + " does not say cluster_state:ok", nil
		}
	}
	for _, e := range []struct{ at, of *end }{{w.to, w.from}, {w.from, w.to}} {
		_, lines, err := e.at.view(ctx)
		if err != nil {
			return "", err
		}
		if masterLine(lines, e.of) == nil {
			return e.at.name + " does not know " + e.of.name + " as a master yet", nil
		}
	}
	return "", nil
}

// masterLine is the line of a master with an address, nil if there is none.
func masterLine(lines []cluster.Line, of *end) *cluster.Line {
	i := slices.IndexFunc(lines, func(l cluster.Line) bool { return l.ID == of.id && l.Flags.Master && l.Host != "" })
	if i < 0 {
		return nil
	}
	return &lines[i]
}

// locate asks the source where it finds the target.
func (w *pair) locate(ctx context.Context) error {
	_, lines, err := w.from.view(ctx)
	if err != nil {
		return err
	}
	line := masterLine(lines, w.to)
	if line == nil {
		return fmt.Errorf("%s does not know %s as a master any more", w.from.name, w.to.name)
	}
	w.host, w.port = line.Host, line.Port
	return nil
}

// migrateTimeout is three quarters of the node timeout. MIGRATE blocks its
// server while it waits; one that waits longer than the node timeout makes the
// others fail the server over in the middle of a slot.
func (e *end) migrateTimeout(ctx context.Context) (time.Duration, error) {
	v, err := e.ask(ctx, "CONFIG", "GET", "cluster-node-timeout")
	if err != nil {
		return 0, err
	}
	if row, _ := v.([]any); len(row) == 2 {
		if ms, err := strconv.Atoi(fmt.Sprint(row[1])); err == nil && ms > 0 {
			return time.Duration(ms) * time.Millisecond * 3 / 4, nil
		}
	}
	return 0, fmt.Errorf("%s does not tell its cluster-node-timeout", e.name)
}

// bystanders are the other masters that answer. That one can't be reached is
// no trouble here: gossip tells it.
func (p *party) bystanders(ctx context.Context, ends ...*end) []*end {
	var out []*end
	for i := range p.seen.Nodes {
		n := &p.seen.Nodes[i]
		if n.Master != "" || !n.Member || n.Health != cluster.Up || n.Name == ends[0].name || n.Name == ends[1].name {
			continue
		}
		if e, err := p.reach(ctx, n.Name); err == nil {
			out = append(out, e)
		}
	}
	return out
}
