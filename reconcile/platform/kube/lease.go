package kube

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// A leader that can't renew for renewWithin stops before another may lead, which
// is after leaseFor: the figures of Kubernetes' own controllers.
const (
	leaseFor    = 15 * time.Second
	renewWithin = 10 * time.Second
	tryEvery    = 2 * time.Second
)

// Lead waits until this process has the lease, called NAMESPACE/NAME, and runs
// lead while it has it. The context of lead ends when the lease is lost, which
// is an error, or with ctx. The lease is given back when lead has returned, not
// before. waiting is told who has it meanwhile, whenever that changes.
func (c *Client) Lead(ctx context.Context, lease string, waiting func(holder string), lead func(context.Context) error) error {
	namespace, name, ok := strings.Cut(lease, "/")
	if !ok || namespace == "" || name == "" {
		return fmt.Errorf("the lease %q is not NAMESPACE/NAME", lease)
	}
	leases, err := coordination.NewForConfig(c.config)
	if err != nil {
		return fmt.Errorf("lease %s: %w", lease, err)
	}
	host, _ := os.Hostname()
	me := host + "_" + rand.String(5)
	// The election outlives ctx until lead has ended.
	election, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	led, leading := make(chan error, 1), make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		select {
		case <-leading:
		default:
			end()
		}
	})()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Client: leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: me},
		},
		LeaseDuration: leaseFor, RenewDeadline: renewWithin, RetryPeriod: tryEvery, ReleaseOnCancel: true, Name: lease,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				close(leading)
				both, cancel := context.WithCancel(ctx)
				defer cancel()
				defer context.AfterFunc(held, cancel)()
				led <- lead(both)
				end()
			},
			OnStoppedLeading: func() {},
			OnNewLeader: func(holder string) {
				if holder != me {
					waiting(holder)
				}
			},
		},
	})
	if err != nil {
		return fmt.Errorf("lease %s: %w", lease, err)
	}
	elector.Run(election)
	lost := election.Err() == nil
	select {
	case <-leading:
		err = <-led
	default:
		return ctx.Err()
	}
	if lost && err == nil && ctx.Err() == nil {
		err = fmt.Errorf("the lease %s is lost: it could not be renewed for %s", lease, renewWithin)
	}
	return err
}
