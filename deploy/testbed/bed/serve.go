package bed

import (
	"context"
	"fmt"
	"log"
	"os"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"

	"github.com/slotwright/slotwright/deploy/testbed/cgroup"
	"github.com/slotwright/slotwright/deploy/testbed/storage"
	"github.com/slotwright/slotwright/deploy/testbed/supervise"
)

// ready exists once the cluster can be used.
const ready = "ready"

// running is a testbed in the process that supervises it.
type running struct {
	Bed
	tree     cgroup.Hierarchies
	plane    map[string]*supervise.Process
	machines map[string]*machine
	client   kubernetes.Interface
}

// Serve starts everything and supervises it until the context ends. It is to
// be called in the process that `up` starts: in a network namespace and a
// control group of its own.
func Serve(ctx context.Context, dir string) error {
	b, err := Open(dir)
	if err != nil {
		return err
	}
	tree, err := cgroup.Find()
	if err != nil {
		return err
	}
	if err := b.raiseNetwork(); err != nil {
		return err
	}
	if err := b.credentials(); err != nil {
		return fmt.Errorf("write keys and certificates: %w", err)
	}
	r := &running{Bed: b, tree: tree, plane: map[string]*supervise.Process{}, machines: map[string]*machine{}}
	if err := r.start(ctx); err != nil {
		return err
	}
	go storage.Serve(ctx, r.client, b.path("volumes"))
	if err := os.WriteFile(b.path(ready), nil, 0o600); err != nil {
		return err
	}
	log.Print("ready")
	return r.listen(ctx)
}

// start returns once pods can be created.
func (r *running) start(ctx context.Context) error {
	for _, process := range r.controlPlane() {
		r.plane[process.Name] = process
		if err := process.Start(); err != nil {
			return err
		}
	}
	client, err := r.connect()
	if err != nil {
		return err
	}
	r.client = client
	if err := os.WriteFile(r.path("cni", "testbed.conflist"), []byte(cniConfig(r.Bed)), 0o600); err != nil {
		return err
	}
	if err := r.packImages(); err != nil {
		return err
	}
	var all errgroup.Group
	for i, node := range r.Nodes {
		m := &machine{bed: r.Bed, node: node, index: i, tree: r.tree}
		r.machines[node.Name] = m
		all.Go(m.on)
	}
	all.Go(func() error { return r.awaitCluster(ctx, patience) })
	return all.Wait()
}
