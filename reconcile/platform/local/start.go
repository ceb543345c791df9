package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slotwright/slotwright/reconcile/whole"
)

// startWait is how long a server may take until it has its ports. Loading its
// data comes later and is not waited for.
const startWait = 30 * time.Second

// portWait is how long a dying server may hold its ports.
const portWait = time.Second

// pollEvery is how often something awaited is looked at.
const pollEvery = 10 * time.Millisecond

// Start makes nodes, or starts them again with the data they have; those that
// run are left alone. It returns when the processes hold their ports. One node
// that does not start keeps no node from starting that was made before.
func (p *Platform) Start(ctx context.Context, names []string) error {
	unlock, err := p.home.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return p.start(ctx, names)
}

func (p *Platform) start(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	server, err := p.server()
	if err != nil {
		return err
	}
	// Ports go by the order of the seats, whatever the order of the names.
	order := seats(p.want)
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int { return rank(order, a) - rank(order, b) })
	made, err := p.home.nodes()
	if err != nil {
		return err
	}
	errs := []error{p.makeNew(ctx, names, made)}
	var waits []func() error
	for _, name := range names {
		if made[name] == nil {
			continue
		}
		wait, err := p.launch(ctx, server, made[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("start %s: %w", name, err))
			continue
		}
		waits = append(waits, wait)
	}
	for _, wait := range waits {
		errs = append(errs, wait())
	}
	return errors.Join(errs...)
}

// makeNew makes the directories of those nodes that have none, up to the first
// that can't be made: the next would only meet the same taken port.
func (p *Platform) makeNew(ctx context.Context, names []string, made map[string]*marker) error {
	for _, name := range names {
		if made[name] != nil {
			continue
		}
		if err := p.remember(); err != nil {
			return err
		}
		m, err := p.make(ctx, name, made)
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		made[name] = m
	}
	return nil
}

func rank(order []seat, name string) int {
	if i := slices.IndexFunc(order, func(s seat) bool { return s.Node == name }); i >= 0 {
		return i
	}
	return len(order)
}

// launch starts one node and returns a wait for it to hold its port.
func (p *Platform) launch(ctx context.Context, server string, m *marker) (wait func() error, err error) {
	text, err := p.conf(m)
	if err != nil {
		return nil, err
	}
	return p.launchWith(ctx, server, m, text)
}

func (p *Platform) launchWith(ctx context.Context, server string, m *marker, text string) (wait func() error, err error) {
	name := m.Node
	pid, err := p.home.running(name)
	if err != nil || pid != 0 {
		return func() error { return nil }, err
	}
	if err := p.portsFree(ctx, m, "end that program"); err != nil {
		return nil, err
	}
	if err := whole.Write(p.home.path(name, confFile), []byte(text)); err != nil {
		return nil, err
	}
	for _, stale := range []string{pidFile, stoppedFile} {
		if err := os.Remove(p.home.path(name, stale)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return p.home.spawn(ctx, server, name, p.addr(m))
}

// make makes the directory of a new node. The node's port is its own from then on.
func (p *Platform) make(ctx context.Context, name string, made map[string]*marker) (*marker, error) {
	order := seats(p.want)
	i := rank(order, name)
	if i == len(order) {
		return nil, fmt.Errorf("cluster %s has no such node", p.want.Name)
	}
	base := p.want.Platform.Local.BasePort
	m := &marker{p.want.Name, order[i], freePort(base, made), base}
	if m.Port+busOffset > 65535 {
		return nil, fmt.Errorf("no port left: port %d has no cluster bus port %d above it; set a lower spec.platform.local.basePort",
			m.Port, m.Port+busOffset)
	}
	if err := p.portsFree(ctx, m, "end that program, or set another spec.platform.local.basePort"); err != nil {
		return nil, err
	}
	return m, p.home.create(m)
}

// portsFree tries the node's two ports, so that a stranger's program is named
// as what it is instead of as a server that would not start. A server of ours
// that was just killed may hold its ports a moment longer: the kernel frees its
// memory, by which running knows it, before its sockets.
func (p *Platform) portsFree(ctx context.Context, m *marker, lift string) error {
	ctx, cancel := context.WithTimeout(ctx, portWait)
	defer cancel()
	for _, port := range []int{m.Port, m.Port + busOffset} {
		var taken error
		if poll(ctx, func() (bool, error) {
			l, err := net.Listen("tcp", net.JoinHostPort(p.host, strconv.Itoa(port)))
			if taken = err; err == nil {
				l.Close()
			}
			return err == nil, nil
		}) != nil {
			return fmt.Errorf("port %d is taken by another program (%w); %s", port, taken, lift)
		}
	}
	return nil
}

func (p *Platform) addr(m *marker) string {
	return net.JoinHostPort(p.host, strconv.Itoa(m.Port))
}

// server is the path of the program to start.
func (p *Platform) server() (string, error) {
	written := p.want.Platform.Local.Server
	candidates := []string{"redis-server", "valkey-server"}
	switch {
	case strings.ContainsRune(written, filepath.Separator):
		candidates = []string{p.want.Path(written)}
	case written != "":
		candidates = []string{written}
	case p.want.Engine.Name != "":
		candidates = []string{p.want.Engine.Name + "-server"}
	}
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("no %s found: install it, or name it in spec.platform.local.server",
		strings.Join(candidates, " or "))
}

// poll asks until the answer is yes, an error, or the context ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
