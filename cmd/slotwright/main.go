// Command slotwright keeps Redis and Valkey clusters the way topology files
// describe them. This package is words in and words out: it reads flags, asks
// people and prints; what is decided is decided in reconcile and plan.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	// A reader of the output that goes away must not end a run in mid-stage.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(run(ctx, os.Args[1:], system()))
}
