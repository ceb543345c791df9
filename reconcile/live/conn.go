// Package live observes running servers and carries out steps on them. It is
// the only room that sends commands. It decides nothing: what to do comes as
// steps, and a step whose precondition no longer holds on the live node is an
// error, never a guess.
package live

import (
	"context"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// Conn sends commands to one server. Replies are nil, int64, string or []any
// (RESP2). An error reply of the server is a ServerError; every other error
// means that the result is unknown. A Conn is one connection: commands of
// concurrent callers queue.
type Conn interface {
	// Do sends one command and waits for its reply.
	Do(ctx context.Context, args ...any) (any, error)
	// Pipe sends the commands in one go and returns their replies in order.
	Pipe(ctx context.Context, cmds [][]any) []Reply
	// Close ends the connection. It is safe to call twice.
	Close() error
}

// Reply is the answer to one command of a pipeline.
type Reply struct {
	Value any
	Err   error
}

// ServerError is an error reply: the server got the command and refused it.
type ServerError string

func (e ServerError) Error() string { return string(e) }

// Dial makes a connection to host:port. It does not wait for the network: the
// first command does.
type Dial func(addr string) Conn

// Furnisher is a platform that keeps more than nodes for a cluster, such as the
// services that clients find it by.
type Furnisher interface {
	// Fixtures are those that are not as the topology wants them.
	Fixtures(ctx context.Context) ([]cluster.Fixture, error)
	// Furnish brings all of them to what the topology wants. It makes, ends and
	// restarts no node.
	Furnish(ctx context.Context) error
}

// Keeper is a platform that remembers of a cluster that it has served. Nodes that
// lost their volumes look like new ones: without that memory the cluster would be
// made again, empty, and nobody would be asked.
type Keeper interface {
	// Served tells it, as of the last Places.
	Served() bool
	// KeepServed remembers it until the cluster is destroyed.
	KeepServed(ctx context.Context) error
}

// Watcher is a platform that notices when its nodes come, go or change their
// addresses.
type Watcher interface {
	// Changed has room for one message; who comes late learns of all at once. It
	// ends with Close.
	Changed() <-chan struct{}
	Close() error
}

// Rester is a platform that need not ask again what nothing changed of.
type Rester interface {
	// Rest is told that nothing is under way. Only the next Places, and the
	// Fixtures after it, may be what was seen before.
	Rest()
}

// Platform makes and removes the nodes of one topology.
type Platform interface {
	// Places are all nodes that the topology wants and all that still exist.
	Places(ctx context.Context) ([]cluster.Place, error)
	// Start makes nodes, or starts them again with the data they have. It
	// returns when the processes run, not when they serve.
	Start(ctx context.Context, names []string) error
	// Stop ends nodes and keeps their data.
	Stop(ctx context.Context, names []string) error
	// Destroy ends nodes and removes their data for good.
	Destroy(ctx context.Context, names []string) error
	// Restart ends a node and starts it again with the topology's
	// configuration.
	Restart(ctx context.Context, name string) error
}
