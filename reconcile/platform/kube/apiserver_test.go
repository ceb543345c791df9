//go:build apiserver

package kube

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/slotwright/slotwright/spec"
)

// These tests run against a real API server and etcd, without controllers: what
// those would do, such as making pods, the tests do themselves. The programs are
// those of KUBEBUILDER_ASSETS, else of .kube at the root of the repository.

const (
	testHost  = "127.60.1.1"
	testToken = "test-token"
	patience  = 2 * time.Minute
)

var apiServer struct {
	config *rest.Config
	log    string
}

func TestMain(m *testing.M) {
	code, err := withServer(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withServer(run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "slotwright-kube-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	bin, err := programs()
	if err != nil {
		return 0, err
	}
	if err := writeKeys(dir); err != nil {
		return 0, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return 0, err
	}
	etcd, peer, secure := "http://"+testHost+":"+ports[0], "http://"+testHost+":"+ports[1], ports[2]
	stop, err := begin(dir, filepath.Join(bin, "etcd"), "--name=e", "--data-dir="+dir+"/etcd", "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd, "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster=e="+peer)
	if err != nil {
		return 0, err
	}
	defer stop()
	stop, err = begin(dir, filepath.Join(bin, "kube-apiserver"), "--etcd-servers="+etcd, "--bind-address="+testHost, "--secure-port="+secure,
		"--cert-dir="+dir+"/certs", "--advertise-address=10.255.255.1", "--endpoint-reconciler-type=none",
		"--service-account-key-file="+dir+"/sa.key", "--service-account-signing-key-file="+dir+"/sa.key",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16",
		"--token-auth-file="+dir+"/tokens", "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount")
	if err != nil {
		return 0, err
	}
	defer stop()
	apiServer.config = &rest.Config{Host: "https://" + net.JoinHostPort(testHost, secure), BearerToken: testToken, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	if err := answers(); err != nil {
		return 0, err
	}
	return run(), nil
}

// freePorts are some that nobody listens at. They are all open at once, so that
// they differ.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", testHost+":0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		out = append(out, port)
	}
	return out, nil
}

func programs() (string, error) {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return dir, nil
	}
	found, _ := filepath.Glob("../../../.kube/*/bin")
	if len(found) == 0 {
		return "", fmt.Errorf("no kube-apiserver: set KUBEBUILDER_ASSETS, or build the testbed")
	}
	return filepath.Abs(found[len(found)-1])
}

func writeKeys(dir string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(dir+"/sa.key", text, 0o600); err != nil {
		return err
	}
	return os.WriteFile(dir+"/tokens", []byte(testToken+",admin,admin,system:masters\n"), 0o600)
}

// begin starts a program that stop ends at once: its data is thrown away.
func begin(dir, program string, args ...string) (stop func(), err error) {
	log, err := os.Create(filepath.Join(dir, filepath.Base(program)+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return nil, err
	}
	return func() { c.Process.Kill(); c.Wait() }, nil
}

func answers() error {
	client, err := rest.HTTPClientFor(apiServer.config)
	if err != nil {
		return err
	}
	for end := time.Now().Add(2 * patience); ; time.Sleep(100 * time.Millisecond) {
		r, err := client.Get(apiServer.config.Host + "/readyz")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("%s", r.Status)
		}
		if time.Now().After(end) {
			return fmt.Errorf("kube-apiserver is not ready: %w", err)
		}
	}
}

// bench is a namespace of its own.
type bench struct {
	testing.TB
	context.Context
	api
}

func begins(t *testing.T) *bench {
	client, err := connect(rest.CopyConfig(apiServer.config))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"generateName": "t-"}}}
	made, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Create(ctx, ns, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t, ctx, api{client.Interface, made.GetName()}}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// platform is that of a topology in testdata, in this namespace.
func (b *bench) platform(name string, change ...string) *Platform {
	b.Helper()
	t := load(b.TB, name)
	t.Platform.Kubernetes.Namespace = b.namespace
	for _, image := range change {
		t.Platform.Kubernetes.Image = image
	}
	return b.wants(t)
}

// wants is the platform of a topology.
func (b *bench) wants(t spec.Topology) *Platform {
	b.Helper()
	p, err := New(t, &Client{Interface: b.client})
	b.must(err)
	return p
}

// replicas are those of the StatefulSets, by name.
func (b *bench) replicas(p *Platform) map[string]int {
	b.Helper()
	now, err := p.look(b)
	b.must(err)
	out := map[string]int{}
	for name := range now.sets {
		out[name] = now.replicas(name)
	}
	return out
}

// makePods does what the StatefulSet controller, the scheduler and a kubelet do.
func (b *bench) makePods(p *Platform) {
	b.Helper()
	now, err := p.look(b)
	b.must(err)
	n := 0
	for name, set := range now.sets {
		for i := range now.replicas(name) {
			n++
			pod := &corev1.Pod{ObjectMeta: *set.Spec.Template.ObjectMeta.DeepCopy(), Spec: *set.Spec.Template.Spec.DeepCopy()}
			pod.Name, pod.Namespace = fmt.Sprintf("%s-%d", name, i), b.namespace
			pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"})}
			claim := corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-" + pod.Name}}
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "data", VolumeSource: claim})
			o := &unstructured.Unstructured{Object: plain(pod)}
			o.SetAPIVersion("v1")
			o.SetKind("Pod")
			_, err := b.of(pods).Create(b, o, metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				continue
			}
			b.must(err)
			b.status(pod.Name, map[string]any{"phase": "Running", "podIP": fmt.Sprintf("10.1.0.%d", n), "podIPs": []any{map[string]any{"ip": fmt.Sprintf("10.1.0.%d", n)}}})
		}
	}
}

func (b *bench) status(pod string, status map[string]any) {
	b.Helper()
	o, err := b.of(pods).Get(b, pod, metav1.GetOptions{})
	b.must(err)
	o.Object["status"] = status
	_, err = b.of(pods).UpdateStatus(b, o, metav1.UpdateOptions{})
	b.must(err)
}
