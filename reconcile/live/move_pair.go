package live

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// readiness bounds the wait for an end that has just joined. A fresh master
// answers CLUSTERDOWN for 2 to 6 s after it was met, and a key sent to it in
// that time is refused.
const readiness = time.Minute

// pair is the way of slots from one master to another.
type pair struct {
	from, to *end
	others   []*end // the other masters that answer, told last and at best effort
	host     string // of to, as from knows it: MIGRATE connects from there
	port     int
	login    Login
	timeout  time.Duration // of a MIGRATE, inside the server
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
	w := &pair{from: a, to: b, login: p.login}
	if err := w.meet(ctx); err != nil {
		return nil, err
	}
	w.timeout, err = a.migrateTimeout(ctx)
	w.others = p.bystanders(ctx, a, b)
	return w, err
}

// meet waits until both ends serve and the source knows the target as a
// master with an address.
func (w *pair) meet(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readiness, fmt.Errorf("%s and %s are not ready for each other after %s", w.from.name, w.to.name, readiness))
	defer cancel()
	for {
		why, err := w.notReady(ctx)
		if err != nil || why == "" {
			return err
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("%w: %s", context.Cause(ctx), why)
		}
	}
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
	_, lines, err := w.from.view(ctx)
	if err != nil {
		return "", err
	}
	for _, line := range lines {
		if line.ID == w.to.id && line.Flags.Master && line.Host != "" {
			w.host, w.port = line.Host, line.Port
			return "", nil
		}
	}
	return w.from.name + " does not know " + w.to.name + " as a master yet", nil
}

// migrateTimeout is half of the node timeout. MIGRATE blocks its server while
// it waits; one that waits longer than the node timeout makes the others fail
// the server over in the middle of a slot.
func (e *end) migrateTimeout(ctx context.Context) (time.Duration, error) {
	v, err := e.ask(ctx, "CONFIG", "GET", "cluster-node-timeout")
	if err != nil {
		return 0, err
	}
	if row, _ := v.([]any); len(row) == 2 {
		if ms, err := strconv.Atoi(fmt.Sprint(row[1])); err == nil && ms > 0 {
			return time.Duration(ms) * time.Millisecond / 2, nil
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
