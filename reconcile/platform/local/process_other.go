//go:build !linux

package local

import (
	"context"
	"errors"
	"os"
)

var errSystem = errors.New("platform local needs Linux: it knows its processes by /proc")

func (h home) running(string) (int, error) { return 0, errSystem }

func (h home) process(string) (*os.Process, error) { return nil, errSystem }

func (h home) waitGone(context.Context, string) error { return errSystem }

func (h home) spawn(context.Context, string, string, string) (func() error, error) {
	return nil, errSystem
}

func (h home) lock(context.Context) (func(), error) { return nil, errSystem }

func end(*os.Process) error { return errSystem }
