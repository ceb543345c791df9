package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
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
	lock, err := c.lock(lease)
	if err != nil {
		return err
	}
	// The election outlives ctx until lead has ended.
	election, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	term, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	led, leading := make(chan error, 1), make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		select {
		case <-leading:
		default:
			end()
		}
	})()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		// Not ReleaseOnCancel: with it a lead whose lease is lost is told so only when
		// the API server has answered once more, or not for another renewWithin
		// (renew and release in leaderelection.go), and another leads by then.
		Lock: &candidate{lock, leading, lose}, LeaseDuration: leaseFor, RenewDeadline: renewWithin, RetryPeriod: tryEvery, Name: lease,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				close(leading)
				stop := context.AfterFunc(held, func() { lose(errLost) })
				led <- lead(term)
				stop() // it is no loss that it is given back
				end()
			},
			OnStoppedLeading: func() {},
			OnNewLeader: func(holder string) {
				if holder != lock.Identity() {
					waiting(holder)
				}
			},
		},
	})
	if err != nil {
		return fmt.Errorf("lease %s: %w", lease, err)
	}
	elector.Run(election)
	lost := election.Err() == nil || errors.Is(context.Cause(term), errLost)
	if elector.IsLeader() {
		<-leading // it is called in a goroutine of its own
	}
	select {
	case <-leading:
		err = <-led
	default:
		return ctx.Err()
	}
	switch {
	case !lost:
		giveBack(lock)
	case err == nil && ctx.Err() == nil:
		err = fmt.Errorf("%w: another has %s, or it could not be renewed for %s", errLost, lease, renewWithin)
	}
	return err
}

var errLost = errors.New("the lease is lost")

// candidate is the lock by which one process is elected. client-go goes on for
// renewWithin when it finds that another has the lease, as somebody does who stood
// still for longer than it lasts: lose ends the lead at once then.
type candidate struct {
	*resourcelock.LeaseLock
	leading <-chan struct{}
	lose    context.CancelCauseFunc
}

func (c *candidate) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	now, text, err := c.LeaseLock.Get(ctx)
	if err == nil && now.HolderIdentity != "" && now.HolderIdentity != c.Identity() {
		select {
		case <-c.leading:
			c.lose(errLost)
		default:
		}
	}
	return now, text, err
}

// lock is the lease as this process would hold it.
func (c *Client) lock(lease string) (*resourcelock.LeaseLock, error) {
	namespace, name, ok := strings.Cut(lease, "/")
	if !ok || namespace == "" || name == "" {
		return nil, fmt.Errorf("the lease %q is not NAMESPACE/NAME", lease)
	}
	leases, err := coordination.NewForConfig(c.config)
	if err != nil {
		return nil, fmt.Errorf("lease %s: %w", lease, err)
	}
	host, _ := os.Hostname()
	return &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Client: leases,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + rand.String(5)},
	}, nil
}

// giveBack lets the next lead at once. Where that fails, it leads after leaseFor.
func giveBack(lock *resourcelock.LeaseLock) {
	ctx, cancel := context.WithTimeout(context.Background(), renewWithin)
	defer cancel()
	_ = retry.RetryOnConflict(retry.DefaultRetry, func() error { // with a renewal that was cut off
		now, _, err := lock.Get(ctx)
		if err != nil || now.HolderIdentity != lock.Identity() {
			return err
		}
		return lock.Update(ctx, resourcelock.LeaderElectionRecord{
			LeaderTransitions: now.LeaderTransitions, LeaseDurationSeconds: 1, AcquireTime: metav1.Now(), RenewTime: metav1.Now(),
		})
	})
}
