package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// moveHost and its movePorts are what these tests start servers on. The address
// is that of this process: another run of the same tests, at the same time, could
// take a port between the look at it and the start of the server.
var moveHost = fmt.Sprintf("127.24.%d.%d", os.Getpid()>>7&255, 1+os.Getpid()&127)

var movePorts struct {
	sync.Mutex
	next int
}

// port hands out movePorts, round and round: a test that is done has freed its own.
func port() int {
	movePorts.Lock()
	defer movePorts.Unlock()
	for {
		n := 24000 + movePorts.next%200
		movePorts.next++
		if l, err := net.Listen("tcp", net.JoinHostPort(moveHost, strconv.Itoa(n))); err == nil {
			l.Close()
			return n
		}
	}
}

// world is a cluster of real servers.
type world struct {
	t      testing.TB
	server string   // the program
	extra  []string // directives of every server
	login  Login
	nodes  []*process
}

type process struct {
	name string
	addr string
	dir  string
	cmd  *exec.Cmd
	c    *redis.Client
}

// newWorld starts masters that own the slots evenly, and blank members that
// own none.
func newWorld(t testing.TB, masters, blanks int, extra ...string) *world {
	t.Helper()
	w := &world{t: t, server: livetest.Program("server"), extra: extra}
	w.form(masters, blanks)
	return w
}

func (w *world) form(masters, blanks int) {
	w.t.Helper()
	for i := range masters + blanks {
		w.start(fmt.Sprintf("n%d", i))
	}
	for i, p := range w.nodes[:masters] {
		w.must(p, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		w.must(p, "CLUSTER", "ADDSLOTSRANGE", slot.Count*i/masters, slot.Count*(i+1)/masters-1)
	}
	w.join(w.nodes[1:]...)
}

// join makes the first node meet others and waits until all serve. It meets
// them again after a while: a node gives up a handshake that a busy machine does
// not let it end in time.
func (w *world) join(nodes ...*process) {
	w.t.Helper()
	var met time.Time
	meet := func() {
		met = time.Now()
		for _, p := range nodes {
			host, port, _ := net.SplitHostPort(p.addr)
			w.must(w.nodes[0], "CLUSTER", "MEET", host, port)
		}
	}
	meet()
	for _, p := range w.nodes {
		w.until(p.name+" serves", func() bool {
			if time.Since(met) > 5*time.Second {
				meet()
			}
			info := fmt.Sprint(w.do(p, "CLUSTER", "INFO"))
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(w.nodes)))
		})
	}
}

// start runs a server on a port that is free here, with nothing in it.
func (w *world) start(name string) *process {
	w.t.Helper()
	p := &process{name: name, dir: w.t.TempDir(), addr: net.JoinHostPort(moveHost, strconv.Itoa(port()))}
	w.nodes = append(w.nodes, p)
	w.run(p)
	return p
}

// run starts the process of p, again or for the first time.
func (w *world) run(p *process) {
	w.t.Helper()
	_, port, _ := net.SplitHostPort(p.addr)
	args := append([]string{"--port", port, "--bind", moveHost, "--cluster-announce-ip", moveHost, "--dir", p.dir, "--cluster-enabled", "yes",
		"--cluster-node-timeout", "2000", "--cluster-allow-replica-migration", "no", "--save", "",
		"--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--logfile", filepath.Join(p.dir, "log")}, w.extra...)
	p.cmd = exec.Command(w.server, args...)
	if err := p.cmd.Start(); err != nil {
		w.t.Fatalf("start %s: %v", p.name, err)
	}
	w.t.Cleanup(func() { w.kill(p) })
	p.c = redis.NewClient(&redis.Options{Addr: p.addr, Protocol: 2, Password: w.login.Password, Username: w.login.Username, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}})
	w.until(p.name+" answers", func() bool { return p.c.Ping(context.Background()).Err() == nil })
}

// kill ends a server as a power cut would.
func (w *world) kill(p *process) {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		_ = p.c.Close()
	}
}

func (w *world) do(p *process, args ...any) any {
	v, err := p.c.Do(context.Background(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	return v
}

func (w *world) must(p *process, args ...any) any {
	w.t.Helper()
	v := w.do(p, args...)
	if err, bad := v.(error); bad {
		w.t.Fatalf("%s: %v: %v", p.name, args, err)
	}
	return v
}

// until waits for a condition, for a minute at most.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	w.t.Fatalf("it never came true that %s", what)
}

// id is the cluster ID of a node.
func (w *world) id(p *process) string { return fmt.Sprint(w.must(p, "CLUSTER", "MYID")) }

// look is what a reconciler would have observed: every node's own line. Dead
// ones are silent and keep the name and ID they had.
func (w *world) look() *cluster.State {
	w.t.Helper()
	var s cluster.State
	named := map[string]string{}
	for _, p := range w.nodes {
		lines, err := cluster.ParseNodes(fmt.Sprint(w.do(p, "CLUSTER", "NODES")))
		n := cluster.Node{Name: p.name, Addr: p.addr, Health: cluster.Failed, Member: true}
		for _, l := range lines {
			if err == nil && l.Flags.Myself {
				n.Health, n.ID, n.Master, n.Slots, n.Epoch = cluster.Up, l.ID, l.Master, l.Slots(), l.Epoch
				for _, m := range l.Open {
					s.Open = append(s.Open, cluster.Open{Slot: m.Slot, At: p.name, Peer: m.Peer, Importing: m.Importing})
				}
			}
		}
		if info, err := cluster.ParseInfo(fmt.Sprint(w.do(p, "INFO", "server"))); err == nil {
			n.Server = info.Server
		}
		named[n.ID] = p.name
		s.Nodes = append(s.Nodes, n)
	}
	for i := range s.Open {
		if name := named[s.Open[i].Peer]; name != "" {
			s.Open[i].Peer = name
		}
	}
	return &s
}

// mover is one that starts from what is live now.
func (w *world) mover() *mover {
	return &mover{dial: w.dial, seen: *w.look(), login: w.login, budget: testBudget, report: func(plan.Progress) {}}
}

// closeAll closes what is open, each slot towards to.
func (w *world) closeAll(from, to string) error {
	m := w.mover()
	var slots slot.Set
	for _, o := range m.seen.Open {
		slots.Add(o.Slot)
	}
	if slots.Empty() {
		return nil
	}
	return m.close(context.Background(), plan.Step{Kind: plan.Close, From: from, To: to, Slots: slots})
}

// dial connects the mover to servers as a client would.
func (w *world) dial(addr string) Conn {
	return &testConn{redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, Username: w.login.Username, Password: w.login.Password,
		DisableIdentity: true, MaxRetries: -1, PoolSize: 1, ContextTimeoutEnabled: true, ReadTimeout: -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}})}
}

// testConn is a Conn over one connection.
type testConn struct{ c *redis.Client }

func (c *testConn) Do(ctx context.Context, args ...any) (any, error) {
	r := c.Pipe(ctx, [][]any{args})[0]
	return r.Value, r.Err
}

func (c *testConn) Pipe(ctx context.Context, cmds [][]any) []Reply {
	p := c.c.Pipeline()
	var sent []*redis.Cmd
	for _, args := range cmds {
		sent = append(sent, p.Do(ctx, args...))
	}
	_, _ = p.Exec(ctx)
	out := make([]Reply, len(cmds))
	for i, s := range sent {
		v, err := s.Result()
		var refusal redis.Error
		switch {
		case errors.Is(err, redis.Nil):
			err = nil
		case errors.As(err, &refusal):
			err = ServerError(refusal.Error())
		}
		out[i] = Reply{v, err}
	}
	return out
}

func (c *testConn) Close() error { return c.c.Close() }

const testBudget = 20 * time.Millisecond
