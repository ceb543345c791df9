package live

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec"
)

// server is one server of a test under the name its cluster gives it.
type server struct {
	name, addr string
	fleet      *livetest.Fleet
	index      int
}

func (s *server) pause()  { s.fleet.Pause(s.index) }
func (s *server) resume() { s.fleet.Resume(s.index) }
func (s *server) kill()   { s.fleet.Kill(s.index) }

// serve starts blank servers of the given names.
func serve(t testing.TB, opts livetest.Options, names ...string) []*server {
	t.Helper()
	opts.Servers = len(names)
	fleet := livetest.Start(t, opts)
	servers := make([]*server, len(names))
	for i, name := range names {
		servers[i] = &server{name: name, addr: fleet.Servers[i].Addr, fleet: fleet, index: i}
	}
	return servers
}

// fleet starts the servers of masters m0.. and replicas r0.., and spares of any
// name.
func fleet(t testing.TB, masters, replicas int, spares ...string) []*server {
	t.Helper()
	return serve(t, livetest.Options{}, append(seats(masters, replicas), spares...)...)
}

func seats(masters, replicas int) []string {
	var names []string
	for i := range masters {
		names = append(names, fmt.Sprintf("m%d", i))
	}
	for i := range replicas {
		names = append(names, fmt.Sprintf("r%d", i))
	}
	return names
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
