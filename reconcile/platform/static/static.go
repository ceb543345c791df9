// Package static is the platform of a fixed inventory: servers that somebody
// else made and runs. It lists them and refuses everything else; it opens no
// connection and starts no process.
package static

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// Platform is the inventory of one topology.
type Platform struct{ places []cluster.Place }

// New makes the platform of t, whose Platform.Static must be set. An address
// without a port is an error.
func New(t spec.Topology) (*Platform, error) {
	p := &Platform{}
	for _, n := range t.Platform.Static.Nodes {
		host, _, err := net.SplitHostPort(n.Address)
		if err != nil {
			return nil, fmt.Errorf("address of %s: %w", n.Name, err)
		}
		p.places = append(p.places, cluster.Place{
			Name: n.Name, Zone: n.Zone, Host: host, Addr: n.Address,
			Listed: true, Exists: true,
		})
	}
	return p, nil
}

// Places are the nodes of the inventory, in its order. All of them count as
// existing: whether a server runs there only the server can tell.
func (p *Platform) Places(context.Context) ([]cluster.Place, error) {
	return append([]cluster.Place(nil), p.places...), nil
}

// Start refuses.
func (p *Platform) Start(_ context.Context, names []string) error {
	return refuse("start", names)
}

// Stop refuses.
func (p *Platform) Stop(_ context.Context, names []string) error {
	return refuse("stop", names)
}

// Destroy refuses.
func (p *Platform) Destroy(_ context.Context, names []string) error {
	return refuse("destroy", names)
}

// Restart refuses.
func (p *Platform) Restart(_ context.Context, name string) error {
	return refuse("restart", []string{name})
}

func refuse(deed string, names []string) error {
	return fmt.Errorf("%s %s: a static inventory is only looked at, slotwright starts and stops nothing there; %s it yourself",
		deed, strings.Join(names, ", "), deed)
}
