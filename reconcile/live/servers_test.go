package live

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

const testHost = "127.22.0.1"

var ports = struct {
	sync.Mutex
	next int
}{next: 22000}

// freePort hands out the ports of this package's tests, round and round.
func freePort(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 200 {
		port := ports.next
		if ports.next++; ports.next == 22200 {
			ports.next = 22000
		}
		free := true
		for _, p := range []int{port, port + 10000} {
			l, err := net.Listen("tcp", net.JoinHostPort(testHost, strconv.Itoa(p)))
			if err != nil {
				free = false
				continue
			}
			_ = l.Close()
		}
		if free {
			return port
		}
	}
	t.Fatal("no free port for a test server")
	return 0
}

// server is one redis-server process of a test.
type server struct {
	name, addr, dir string
	args            []string
	cmd             *exec.Cmd
}

// serve starts a blank server in cluster mode and waits until it listens.
func serve(t testing.TB, name string, args ...string) *server {
	t.Helper()
	port := freePort(t)
	s := &server{name: name, addr: fmt.Sprintf("%s:%d", testHost, port), dir: t.TempDir()}
	s.args = append([]string{
		"--port", strconv.Itoa(port), "--bind", testHost, "--cluster-announce-ip", testHost, "--dir", s.dir, "--logfile", filepath.Join(s.dir, "log"),
		"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--save", "", "--daemonize", "no",
		"--repl-diskless-sync-delay", "0", "--protected-mode", "no",
	}, args...)
	s.start(t)
	return s
}

func (s *server) start(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // not even a killed test leaves it behind
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	t.Cleanup(s.kill)
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			t.Fatalf("%s does not listen: %v\n%s", s.name, err, bytes.TrimSpace(log))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *server) kill() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) pause(t testing.TB) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func (s *server) resume(t testing.TB) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// inventory is a platform of servers that are there already. It notes what it
// was asked to do.
type inventory struct {
	places []cluster.Place
	asked  []string
	deed   func(verb string, names []string) error
}

func (p *inventory) Places(context.Context) ([]cluster.Place, error) {
	return append([]cluster.Place(nil), p.places...), nil
}

func (p *inventory) do(verb string, names ...string) error {
	p.asked = append(p.asked, fmt.Sprint(verb, names))
	if p.deed != nil {
		return p.deed(verb, names)
	}
	return nil
}

func (p *inventory) Start(_ context.Context, n []string) error   { return p.do("start", n...) }
func (p *inventory) Stop(_ context.Context, n []string) error    { return p.do("stop", n...) }
func (p *inventory) Destroy(_ context.Context, n []string) error { return p.do("destroy", n...) }
func (p *inventory) Restart(_ context.Context, n string) error   { return p.do("restart", n) }

// unlist takes a node out of the inventory, as a commit would.
func (p *inventory) unlist(name string) {
	var rest []cluster.Place
	for _, place := range p.places {
		if place.Name != name {
			rest = append(rest, place)
		}
	}
	p.places = rest
}

func inventoryOf(servers ...*server) *inventory {
	p := &inventory{}
	for _, s := range servers {
		host, _, _ := net.SplitHostPort(s.addr)
		p.places = append(p.places, cluster.Place{Name: s.name, Host: host, Addr: s.addr, Listed: true, Exists: true})
	}
	return p
}

// open makes the cluster of an inventory with a state directory of its own.
func open(t testing.TB, p Platform, access Access) *Cluster {
	t.Helper()
	c := New(spec.Topology{Name: "orders"}, p, Options{Access: access, State: t.TempDir()})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func observe(t testing.TB, c *Cluster) cluster.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	seen, err := c.Observe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// command sends one command to a server and fails the test on an error.
func command(t testing.TB, c *Cluster, addr string, args ...any) any {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	value, err := c.conn(addr).Do(ctx, args...)
	if err != nil {
		t.Fatalf("%v at %s: %v", args, addr, err)
	}
	return value
}
