package bed

import (
	"context"
	"fmt"
	"log"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/slotwright/slotwright/deploy/testbed/storage"
)

func (b Bed) connect() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", b.Kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 300, 600
	return kubernetes.NewForConfig(config)
}

// awaitCluster waits until pods can be created and run: before there is a
// default service account they are refused.
func (r *running) awaitCluster(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for _, wait := range []struct {
		what string
		try  func(context.Context) error
	}{
		{"the API server", r.answers},
		{"the storage classes", r.createClasses},
		{"the first service account", r.hasServiceAccount},
		{"ready nodes", r.nodesReady},
	} {
		if err := retry(ctx, wait.try); err != nil {
			return fmt.Errorf("wait for %s: %w", wait.what, err)
		}
		log.Printf("%s: there", wait.what)
	}
	return nil
}

// retry tries until it works, and returns the last error once the context ends.
func retry(ctx context.Context, try func(context.Context) error) error {
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (r *running) answers(ctx context.Context) error {
	return r.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

func (r *running) createClasses(ctx context.Context) error {
	for _, class := range storage.Classes() {
		_, err := r.client.StorageV1().StorageClasses().Create(ctx, &class, meta.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func (r *running) hasServiceAccount(ctx context.Context) error {
	_, err := r.client.CoreV1().ServiceAccounts(meta.NamespaceDefault).Get(ctx, "default", meta.GetOptions{})
	return err
}

func (r *running) nodesReady(ctx context.Context) error {
	for _, node := range r.Nodes {
		seen, err := r.client.CoreV1().Nodes().Get(ctx, node.Name, meta.GetOptions{})
		if err != nil {
			return err
		}
		if !isReady(seen) {
			return fmt.Errorf("node %s is not ready", node.Name)
		}
	}
	return nil
}

// isReady also wants the taint away that keeps pods off a new node for a
// moment after it became ready.
func isReady(node *core.Node) bool {
	for _, taint := range node.Spec.Taints {
		if taint.Key == core.TaintNodeNotReady {
			return false
		}
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == core.NodeReady {
			return condition.Status == core.ConditionTrue
		}
	}
	return false
}
