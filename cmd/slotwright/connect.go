package main

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/live"
	"github.com/slotwright/slotwright/reconcile/platform/kube"
	"github.com/slotwright/slotwright/reconcile/platform/local"
	"github.com/slotwright/slotwright/reconcile/platform/static"
	"github.com/slotwright/slotwright/spec"
)

// hush keeps go-redis from writing on stderr: what it meets comes back as an
// error, and is told once, with the node's name.
type hush struct{}

func (hush) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(hush{}) }

// A daemon's clusters give back their connections in the pauses.
var _ reconcile.Rester = (*live.Cluster)(nil)

// connect opens the cluster of a topology. It is the only place where live
// things are made.
func connect(want spec.Topology) (reconcile.Cluster, error) {
	if want.Platform.Kubernetes != nil {
		return connectPods(want)
	}
	read := func() (live.Access, error) { return live.ReadAccess(want, nil) }
	access, err := read()
	if err != nil {
		return nil, err
	}
	p, err := platform(want)
	if err != nil {
		return nil, err
	}
	return live.New(want, p, live.Options{Access: access, Again: read}), nil
}

func platform(want spec.Topology) (live.Platform, error) {
	switch {
	case want.Platform.Static != nil:
		return static.New(want)
	case want.Platform.Local != nil:
		state, err := live.StateDir()
		if err != nil {
			return nil, err
		}
		return local.New(want, state, func() (string, error) {
			access, err := live.ReadAccess(want, nil)
			return access.Login.Password, err
		})
	}
	return nil, errors.New("the topology names no platform")
}

// api is the way to the API server, the same for all clusters of a process.
var api = sync.OnceValues(kube.Connect)

func connectPods(want spec.Topology) (reconcile.Cluster, error) {
	client, err := api()
	if err != nil {
		return nil, err
	}
	p, err := kube.New(want, client)
	if err != nil {
		return nil, err
	}
	read := func() (live.Access, error) { return live.ReadAccess(want, p.Secret) }
	access, err := read()
	if err != nil {
		return nil, err
	}
	return live.New(want, p, live.Options{Access: access, Again: read}), nil
}
