// Package local is the platform of servers on this machine, for development
// and tests: redis-server or valkey-server processes that outlive the command
// which started them, each with a directory of its own.
//
// The directory is the whole memory: which nodes there are, their ports and
// their data. What runs is asked of the system every time. This package talks
// to no server, and it touches nothing in a directory that it did not make.
package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec"
)

// Platform makes and removes the nodes of one topology. Several may exist for
// the same topology, in one process or in many: what changes something takes a
// lock on the cluster's directory first.
type Platform struct {
	want     spec.Topology
	home     home
	where    string // the file that remembers the directory
	host     string
	password func() (string, error)
}

// New makes the platform of t, whose Platform.Local must be set. Nothing is
// written or started. The nodes are kept in the state directory where t names
// no other. password gives what t.Auth names; it is called whenever a server's
// configuration is written, and may be nil where t.Auth is.
func New(t spec.Topology, state string, password func() (string, error)) (*Platform, error) {
	if t.Auth != nil && password == nil {
		return nil, errors.New("the topology names a password, but nobody reads it")
	}
	dir, err := directory(t, state)
	if err != nil {
		return nil, err
	}
	return &Platform{want: t, home: home{dir, t.Name}, where: whereFile(state, t.Name), host: "127.0.0.1", password: password}, nil
}

// Places are all nodes that the topology wants, in the order of their seats,
// then those that it does not list and that run or died. A node that was
// stopped on purpose is left out, except where the topology says Absent: then
// everything that has a directory is to go.
func (p *Platform) Places(context.Context) ([]cluster.Place, error) {
	made, err := p.home.nodes()
	if err != nil {
		return nil, err
	}
	elsewhere, err := p.elsewhere(made)
	if err != nil {
		return nil, err
	}
	var places []cluster.Place
	for _, s := range seats(p.want) {
		place, err := p.place(s, made[s.Node])
		if err != nil {
			return nil, err
		}
		place.Listed, place.Elsewhere = true, elsewhere
		places = append(places, place)
		delete(made, s.Node)
	}
	for _, m := range sorted(made) {
		place, err := p.place(m.seat, m)
		if err != nil {
			return nil, err
		}
		if place.Exists || !p.home.stopped(m.Node) || p.want.State == spec.Absent {
			places = append(places, place)
		}
	}
	if p.want.State == spec.Absent {
		for _, node := range p.home.rubble(places) {
			places = append(places, cluster.Place{Name: node, Host: p.host, Exists: true})
		}
	}
	return places, nil
}

// place tells where a seat stands; m is nil while it was never started.
func (p *Platform) place(s seat, m *marker) (cluster.Place, error) {
	place := cluster.Place{Name: s.Node, Zone: s.Zone, Host: p.host}
	// What is to be absent exists as long as anything of it is on the disk.
	place.Exists = p.want.State == spec.Absent && p.home.remains(s.Node)
	if m == nil {
		return place, nil
	}
	pid, err := p.home.running(m.Node)
	place.Addr, place.Remark = p.addr(m), p.remark(m)
	place.Exists = place.Exists || pid != 0
	return place, err
}

// directory is where the nodes of t are kept: as written, relative to the
// topology file, or the cluster's own place in the state directory. Links on
// the way are resolved, because running processes are recognised by the path.
func directory(t spec.Topology, state string) (string, error) {
	if dir := t.Platform.Local.Directory; dir != "" {
		return resolved(t.Path(dir))
	}
	return resolved(filepath.Join(state, "local", t.Name))
}

// resolved is an absolute path without links, as far as it exists.
func resolved(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !errors.Is(err, os.ErrNotExist) || path == filepath.Dir(path) {
			return "", fmt.Errorf("find directory %s: %w", path, err)
		}
		path, rest = filepath.Dir(path), filepath.Join(filepath.Base(path), rest)
	}
}
