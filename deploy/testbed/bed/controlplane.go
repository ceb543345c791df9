package bed

import (
	"os"

	"github.com/slotwright/slotwright/deploy/testbed/pki"
	"github.com/slotwright/slotwright/deploy/testbed/supervise"
)

// Names of the control plane's processes.
const (
	etcd        = "etcd"
	apiServer   = "kube-apiserver"
	controllers = "kube-controller-manager"
	scheduler   = "kube-scheduler"
)

const apiURL = "https://" + APIServer

// credentials writes keys and certificates, and a kubeconfig for everyone.
func (b Bed) credentials() error {
	ca, err := pki.New(b.path("pki"))
	if err != nil {
		return err
	}
	if err := ca.KeyPair("sa"); err != nil {
		return err
	}
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	if err := ca.Server("apiserver", names, APIServer, "127.0.0.1"); err != nil {
		return err
	}
	type client struct{ file, user, group string }
	clients := []client{
		{"admin", "admin", "system:masters"},
		{controllers, "system:kube-controller-manager", ""},
		{scheduler, "system:kube-scheduler", ""},
	}
	for _, node := range b.Nodes {
		clients = append(clients, client{node.Name, "system:node:" + node.Name, "system:nodes"})
	}
	for _, c := range clients {
		var groups []string
		if c.group != "" {
			groups = []string{c.group}
		}
		if err := ca.Client(c.file, c.user, groups...); err != nil {
			return err
		}
		if err := ca.Kubeconfig(b.path("pki", c.file+".kubeconfig"), c.file, apiURL); err != nil {
			return err
		}
	}
	return os.Rename(b.path("pki", "admin.kubeconfig"), b.Kubeconfig())
}

// controlPlane is in the order of its start. None waits for another; those
// that need the API server try until it answers.
func (b Bed) controlPlane() []*supervise.Process {
	key := func(name string) string { return b.path("pki", name) }
	// The request limits of the clients are for the start: within the default
	// ones the first service accounts take five seconds more.
	client := []string{"--bind-address=127.0.0.1", "--kube-api-qps=300", "--kube-api-burst=600", "--leader-elect=true"}
	return []*supervise.Process{
		b.process(etcd, "--name=e", "--data-dir="+b.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
			"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL,
			"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL, "--initial-cluster=e="+peerURL),
		// Nothing translates service addresses, so no endpoints are kept for
		// this one: it listens at the service's own address.
		b.process(apiServer, "--etcd-servers="+etcdURL, "--bind-address=0.0.0.0", "--secure-port=443",
			"--advertise-address="+Host, "--endpoint-reconciler-type=none", "--service-cluster-ip-range="+services,
			"--tls-cert-file="+key("apiserver.crt"), "--tls-private-key-file="+key("apiserver.key"), "--client-ca-file="+key("ca.crt"),
			"--service-account-key-file="+key("sa.pub"), "--service-account-signing-key-file="+key("sa.key"),
			"--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=Node,RBAC", "--allow-privileged=true",
			"--kubelet-client-certificate="+key("admin.crt"), "--kubelet-client-key="+key("admin.key"),
			"--kubelet-preferred-address-types=InternalIP"),
		b.process(controllers, append(client, "--kubeconfig="+key(controllers+".kubeconfig"), "--controllers=*",
			"--use-service-account-credentials=true", "--service-account-private-key-file="+key("sa.key"), "--root-ca-file="+key("ca.crt"))...),
		b.process(scheduler, append(client, "--kubeconfig="+key(scheduler+".kubeconfig"))...),
	}
}

func (b Bed) process(name string, args ...string) *supervise.Process {
	return &supervise.Process{Name: name, Args: append([]string{b.asset(name)}, args...), Log: b.logFile(name)}
}
