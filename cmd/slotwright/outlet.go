package main

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
)

// outlet remembers the first failure of a writer and writes nothing after it.
// A run goes on without its reader, for its steps matter more; its exit code
// tells afterwards that the output is not whole.
type outlet struct {
	to io.Writer

	mu  sync.Mutex
	err error
}

func (o *outlet) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(text)
	o.err = err
	return n, err
}

// verdict is err, or that the output is not whole. A reader that had enough,
// such as head, needs no telling.
func (o *outlet) verdict(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err == nil:
		return err
	case errors.Is(o.err, syscall.EPIPE):
		return exitError
	}
	return fmt.Errorf("print: %w", o.err)
}
