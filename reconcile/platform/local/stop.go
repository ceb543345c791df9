package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/whole"
)

// stopWait is how long a server may take to end when asked: its own
// shutdown-timeout of 10 seconds and time to write. After it, it is killed; the
// append-only file has what it acknowledged more than a second before.
const stopWait = 20 * time.Second

// Stop ends nodes and keeps their data. Nodes that don't run are left alone.
func (p *Platform) Stop(ctx context.Context, names []string) error {
	return p.each(ctx, "stop", names, func(name string) error {
		if err := p.stop(ctx, name); err != nil {
			return err
		}
		return os.WriteFile(p.home.path(name, stoppedFile), nil, 0o600)
	})
}

// Destroy ends nodes and removes their directories for good.
func (p *Platform) Destroy(ctx context.Context, names []string) error {
	return p.each(ctx, "destroy", names, func(name string) error {
		if err := p.stop(ctx, name); err != nil {
			return err
		}
		return p.home.remove(name)
	})
}

// Restart ends a node and starts it again with the topology's configuration.
func (p *Platform) Restart(ctx context.Context, name string) error {
	return p.each(ctx, "restart", []string{name}, func(name string) error {
		return p.reconfigure(ctx, name)
	})
}

// reconfigure restarts a node with its new configuration, or with the old one
// where the server does not start with that. What it refused is kept, or a
// daemon would end the node again on every pass.
func (p *Platform) reconfigure(ctx context.Context, name string) error {
	m, err := p.home.marker(name)
	if err != nil {
		return err
	}
	text, err := p.conf(m)
	if err != nil {
		return err
	}
	refused := p.home.path(name, refusedFile)
	if before, err := os.ReadFile(refused); err == nil && string(before) == text {
		return cluster.BadConfig{Words: "it was tried before, see its log", Retry: "remove " + refused}
	}
	old, err := os.ReadFile(p.home.path(name, confFile))
	if err != nil {
		return err
	}
	if err := p.stop(ctx, name); err != nil {
		return err
	}
	failed := p.start(ctx, []string{name})
	if failed == nil {
		_ = os.Remove(refused) // it fits no configuration any more
		return nil
	}
	if err := p.startWith(ctx, m, string(old)); err != nil {
		return errors.Join(failed, fmt.Errorf("with its old configuration: %w", err))
	}
	if err := whole.Write(refused, []byte(text)); err != nil {
		return errors.Join(failed, err)
	}
	return cluster.BadConfig{Words: failed.Error(), Retry: "remove " + refused}
}

// startWith starts a node with a configuration that it has run with.
func (p *Platform) startWith(ctx context.Context, m *marker, text string) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	server, err := p.server()
	if err != nil {
		return err
	}
	wait, err := p.launchWith(ctx, server, m, text)
	if err != nil {
		return err
	}
	return wait()
}

// each does the deed for all names at once, under the lock. A node that was
// never made, or is gone already, needs nothing done.
func (p *Platform) each(ctx context.Context, deed string, names []string, do func(string) error) error {
	unlock, err := p.home.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	made, err := p.home.nodes()
	if err != nil {
		return err
	}
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		if made[name] == nil {
			continue
		}
		all.Go(func() {
			if err := do(name); err != nil {
				errs[i] = fmt.Errorf("%s %s: %w", deed, name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// stop ends one node's process and waits until it is gone. The process is
// pinned before it is recognised, so a number that the system reuses in
// between can't be hit.
func (p *Platform) stop(ctx context.Context, name string) error {
	process, err := p.home.process(name)
	if err != nil || process == nil {
		return err
	}
	defer func() { _ = process.Release() }() // only frees the handle
	if err := end(process); err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	if p.home.waitGone(patience, name) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("still ending: %w", err)
	}
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	patience, cancel = context.WithTimeout(ctx, stopWait)
	defer cancel()
	return p.home.waitGone(patience, name)
}
