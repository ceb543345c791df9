package kube

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// What client-go meets comes back as an error and is told once: its own log would
// stand between the lines of ours.
func init() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) }

// requestTimeout bounds one request; a watch has none.
const requestTimeout = 20 * time.Second

// Client is the way to an API server. It may be used by many platforms at once.
type Client struct {
	dynamic.Interface
	config *rest.Config

	mu    sync.Mutex
	feeds map[subject]*feed
}

// Connect opens the API server that kubectl would use (KUBECONFIG, else
// ~/.kube/config), else the one of the cluster that this pod runs in. Nothing is
// asked yet.
func Connect() (*Client, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find a Kubernetes cluster: %w", err)
	}
	return connect(config)
}

func connect(config *rest.Config) (*Client, error) {
	config.UserAgent, config.QPS, config.Burst = manager, 50, 100
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	return &Client{Interface: client, config: config}, nil
}
