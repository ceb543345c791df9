package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
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
		if err := p.stop(ctx, name); err != nil {
			return err
		}
		return p.start(ctx, []string{name})
	})
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
