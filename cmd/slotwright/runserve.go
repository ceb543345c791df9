package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/cmd/slotwright/serve"
)

// front is what a daemon serves, also while it stands by.
type front struct {
	*following
	board   *follow.Board
	metrics *serve.Metrics
	events  *podEvents
	wake    atomic.Pointer[func()] // nil while there is no source
	began   time.Time
}

func (f *following) front(board *follow.Board) *front {
	gauges := serve.Gauges{Board: board, Serves: serves, Healths: []string{string(healthy), string(degraded), string(down), string(untold), string(gone)}}
	return &front{following: f, board: board, metrics: serve.NewMetrics(built().Version, gauges), began: time.Now()}
}

// open begins to serve, if there is an address to serve at.
func (f *front) open() (stop func(), err error) {
	if f.listen == "" {
		return func() {}, nil
	}
	pages := serve.Pages{
		Alive: f.alive, Ready: f.ready, Metrics: f.metrics.Handler(),
		Status: func() any { return f.known(f.board) },
		Hooks:  serve.Hooks{Ref: f.origin.ref(), Wake: f.look, Told: f.metrics.Hook, Log: f.log},
	}
	if f.hookSecret != "" {
		pages.Hooks.Secret = func() ([]byte, error) { return readSecret(f.hookSecret) }
		if _, err := pages.Hooks.Secret(); err != nil {
			return nil, err
		}
	}
	at, stop, err := serve.Start(f.listen, pages.Handler(), f.log)
	if err == nil {
		f.log.Info("serving", "address", at.String(), "webhooks", pages.Hooks.Secret != nil)
	}
	return stop, err
}

// look has the source looked at, if this process follows it.
func (f *front) look() {
	if wake := f.wake.Load(); wake != nil {
		(*wake)()
	}
}

// alive is an error when looks at the source have stopped to end, which their
// timeouts exclude.
func (f *front) alive() error {
	now := f.board.Now()
	last := now.Looked
	if last.IsZero() {
		last = f.began
	}
	limit := max(5*(f.origin.git.Interval+f.origin.git.Timeout), 10*time.Minute)
	if now.Standby == "" && time.Since(last) > limit {
		return fmt.Errorf("no look at the source has ended since %s", last.UTC().Format(time.RFC3339))
	}
	return nil
}

// ready is nil once this process could read the source, or stands by to.
func (f *front) ready() error {
	now := f.board.Now()
	switch {
	case now.Standby != "" || !now.Read.IsZero():
		return nil
	case now.Error != "":
		return errors.New(now.Error)
	}
	return errors.New("the source was not looked at yet")
}

// readSecret reads the first and only line of a file.
func readSecret(path string) ([]byte, error) {
	const most = 4096
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the webhook secret: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("read the webhook secret: %w", err)
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) < 16 || len(text) > most || bytes.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("read the webhook secret: %s must hold one line of 16 to %d characters", path, most)
	}
	return text, nil
}
