package live

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// slack bounds the commands that cost a server next to nothing.
const slack = 5 * time.Second

// end is a master that takes part in a move, with a connection of its own.
type end struct {
	name  string
	id    string
	conn  Conn
	more  []Conn // for marks; see lanes
	sends bool   // it has its replicas agree to SETSLOT first: Valkey 8 and newer
	dbs   int    // databases that may hold keys, 1 before Valkey 9; 0 while it is not proven

	pace   *pace        // of what it sends
	probe  *probe       // of an end of a pair
	memory *memory      // of a target
	mute   atomic.Bool  // it did not answer when it was asked by spare
	rising sync.RWMutex // of a target: its config epoch may rise
}

// party are the masters of one call of move or close, reached as they are
// needed and let go together.
type party struct {
	*mover
	mu    sync.Mutex // one report at a time
	known sync.Mutex // of ends: portions that run at once need more of them
	ends  map[string]*end
}

// say reports; routes may do so at the same time.
func (p *party) say(progress plan.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report(progress)
}

func (m *mover) gather() *party { return &party{mover: m, ends: map[string]*end{}} }

// end is the connection to a node, made at the first use.
func (p *party) end(name string) (*end, error) {
	p.known.Lock()
	defer p.known.Unlock()
	if e := p.ends[name]; e != nil {
		return e, nil
	}
	n := p.seen.Node(name)
	if n == nil || n.Addr == "" || n.ID == "" {
		return nil, fmt.Errorf("%s was not seen as a node with an address", name)
	}
	e := &end{name: name, id: n.ID, conn: p.dial(n.Addr), more: p.abreast(n), sends: valkey(n, 8), pace: newPace(p.budget)}
	p.ends[name] = e
	return e, nil
}

// reach connects to a master and proves that it still is who was seen, and a
// master now: a mark set on a replica is refused, and one set on a stranger
// that took over the address would open somebody else's slot.
func (p *party) reach(ctx context.Context, name string) (*end, error) {
	e, err := p.end(name)
	if err != nil || e.dbs > 0 {
		return e, err
	}
	if _, err := e.owned(ctx); err != nil {
		return nil, err
	}
	return e, e.countDatabases(ctx)
}

// isNow says that a node with another ID answers where the end stood.
func (e *end) isNow(id any) error {
	return fmt.Errorf("%s is another node now (%.8s, not %.8s)", e.name, id, e.id)
}

// leads says why a node is not the master that was seen, by its own line.
func (e *end) leads(self cluster.Line) error {
	switch {
	case self.ID != e.id:
		return e.isNow(self.ID)
	case !self.Flags.Master:
		return fmt.Errorf("%s is a replica now; slots move between masters only", e.name)
	}
	return nil
}

// owned are the slots of a master that still is who was seen, by its own line.
func (e *end) owned(ctx context.Context) (slot.Set, error) {
	self, _, err := e.view(ctx)
	if err != nil {
		return slot.Set{}, err
	}
	return self.Slots(), e.leads(self)
}

// countDatabases asks how many databases can hold keys: more than one since
// Valkey 9, where cluster-databases says so. Servers without it answer nothing.
func (e *end) countDatabases(ctx context.Context) error {
	v, err := e.ask(ctx, "CONFIG", "GET", "cluster-databases")
	if err != nil {
		return err
	}
	e.dbs = 1
	if row, _ := v.([]any); len(row) == 2 {
		if e.dbs, err = strconv.Atoi(fmt.Sprint(row[1])); err != nil || e.dbs < 1 {
			return fmt.Errorf("%s: cluster-databases is %q", e.name, row[1])
		}
	}
	return nil
}

func (p *party) letGo() {
	for _, e := range p.ends {
		if e.probe != nil {
			e.probe.stop()
		}
		if e.memory != nil {
			e.memory.stop()
		}
		for _, c := range append(e.more, e.conn) {
			_ = c.Close()
		}
	}
}

// begun is a context for a command that, once sent, is waited for: it ends
// after d and not with ctx, for a server finishes what it has begun.
func begun(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}

// ask sends one command and waits for the reply.
func (e *end) ask(ctx context.Context, args ...any) (any, error) {
	ctx, cancel := begun(ctx, slack)
	defer cancel()
	v, err := e.conn.Do(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	return v, nil
}

// info is one section of INFO.
func (e *end) info(ctx context.Context, section string) (cluster.Info, error) {
	v, err := e.ask(ctx, "INFO", section)
	if err != nil {
		return cluster.Info{}, err
	}
	text, _ := v.(string)
	return cluster.ParseInfo(text)
}

// pipe sends the commands in one go, in the given database. It leaves the
// connection in database 0, for it may be one of a pool.
func (e *end) pipe(ctx context.Context, db int, wait time.Duration, cmds [][]any) []Reply {
	if len(cmds) == 0 {
		return nil
	}
	ctx, cancel := begun(ctx, wait)
	defer cancel()
	if db == 0 {
		return e.conn.Pipe(ctx, cmds)
	}
	wrapped := append([][]any{{"SELECT", db}}, cmds...)
	replies := e.conn.Pipe(ctx, append(wrapped, []any{"SELECT", 0}))
	if err := replies[0].Err; err != nil { // the commands ran in another database: no answer is worth anything
		for i := range replies {
			replies[i] = Reply{Err: fmt.Errorf("select database %d: %w", db, err)}
		}
	}
	return replies[1 : 1+len(cmds)]
}

// spare is pipe for what a move can do without. A node that stands still is waited
// for once: after that it has no more time than a hand-over may take.
func (e *end) spare(ctx context.Context, cmds [][]any) []Reply {
	wait := slack
	if e.mute.Load() {
		wait = promptly
	}
	replies := e.pipe(ctx, 0, wait, cmds)
	e.mute.Store(unanswered(replies[len(replies)-1].Err))
	return replies
}

// glance is view for what a move can do without.
func (e *end) glance(ctx context.Context) (self cluster.Line, all []cluster.Line, err error) {
	r := e.spare(ctx, [][]any{{"CLUSTER", "NODES"}})[0]
	if r.Err != nil {
		return self, nil, fmt.Errorf("%s: %w", e.name, r.Err)
	}
	return e.read(r.Value)
}

// unanswered says that a server gave no answer, not even a refusal.
func unanswered(err error) bool {
	var s ServerError
	return err != nil && !errors.As(err, &s)
}

// view is the node's own CLUSTER NODES: its own line, and all.
func (e *end) view(ctx context.Context) (self cluster.Line, all []cluster.Line, err error) {
	v, err := e.ask(ctx, "CLUSTER", "NODES")
	if err != nil {
		return self, nil, err
	}
	return e.read(v)
}

// read parses what the node said of CLUSTER NODES.
func (e *end) read(nodes any) (self cluster.Line, all []cluster.Line, err error) {
	text, _ := nodes.(string)
	if all, err = cluster.ParseNodes(text); err != nil {
		return self, nil, fmt.Errorf("%s: cluster nodes: %w", e.name, err)
	}
	for _, line := range all {
		if line.Flags.Myself {
			self = line
		}
	}
	return self, all, nil
}

// refused says whether a server refused with a reply that has text in it.
func refused(err error, text string) bool {
	var s ServerError
	return errors.As(err, &s) && strings.Contains(string(s), text)
}

// pause waits for d, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
