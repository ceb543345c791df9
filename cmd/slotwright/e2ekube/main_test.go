//go:build e2ekube

// Package e2ekube drives the built command against a real Kubernetes, the way a
// person or a daemon does: topologies in, pods out. It runs where kubectl and the
// addresses of pods can be reached, with a KUBECONFIG that may do everything, and
// images redis:7.0, redis:8.0 and slotwright:dev; make e2e-kube brings all that.
package e2ekube

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// patience is how long anything awaited may take on a busy machine.
const patience = 3 * time.Minute

var binary string

// hush keeps go-redis from writing between the lines of the tests: what it meets
// comes back as an error.
type hush struct{}

func (hush) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(hush{})
	path, remove := livetest.Command("-race")
	binary = path
	code := m.Run()
	remove()
	os.Exit(code)
}

// bench is one test's place: a namespace and a state directory of its own.
type bench struct {
	*testing.T
	namespace, dir string
	api            dynamic.Interface

	named    bool        // servers tell clients names instead of addresses
	password string      // of the servers; "" is none
	secure   *tls.Config // nil is plain text
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, dir: t.TempDir()}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	b.must(err)
	config.QPS, config.Burst = 100, 200
	b.api, err = dynamic.NewForConfig(config)
	b.must(err)
	b.namespace = fmt.Sprintf("t-%x", time.Now().UnixNano())
	b.kubectl("create", "namespace", b.namespace)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", b.kubectl("-n", b.namespace, "get", "pods,statefulsets,events", "-o", "wide"))
		}
		b.kubectl("delete", "namespace", b.namespace, "--wait=false")
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		now := int64(0) // all in one request, where kubectl makes one for each
		b.must(b.kind("pods").Namespace(b.namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}))
	})
	return b
}

// command is a run of slotwright that has not begun.
func (b *bench) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, binary, args...)
	c.Dir = b.dir
	c.Env = append(os.Environ(), "SLOTWRIGHT_STATE_DIR="+filepath.Join(b.dir, "state"), "GORACE=halt_on_error=1 atexit_sleep_ms=50")
	return c
}

// run runs slotwright and demands an exit code.
func (b *bench) run(code int, args ...string) string {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	c := b.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || c.ProcessState.ExitCode() != code {
		b.Fatalf("slotwright %s: want exit %d, got %v\n--- stdout\n%s--- stderr\n%s", strings.Join(args, " "), code, err, &stdout, &stderr)
	}
	return stdout.String() + stderr.String()
}

// apply applies a topology and demands that nothing is left to do.
func (b *bench) apply(text string) string {
	b.Helper()
	file := b.write(text)
	out := b.run(0, "apply", file, "--auto-approve")
	b.run(0, "plan", file, "--detailed-exitcode")
	return out
}

func (b *bench) write(text string) string {
	b.Helper()
	file := filepath.Join(b.dir, "orders.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// kubectl runs kubectl and gives what it prints.
func (b *bench) kubectl(args ...string) string {
	b.Helper()
	out, err := b.tryKubectl(args...)
	if err != nil {
		b.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (b *bench) tryKubectl(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "kubectl", args...).CombinedOutput()
	return string(out), err
}

// in is kubectl in the namespace.
func (b *bench) in(args ...string) string {
	b.Helper()
	return b.kubectl(append([]string{"-n", b.namespace}, args...)...)
}

// breaks has the testbed break or mend a part of itself.
func (b *bench) breaks(args ...string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "testbed", args...).CombinedOutput(); err != nil {
		b.Fatalf("testbed %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// eventually waits until yes.
func (b *bench) eventually(what string, yes func() bool) {
	b.Helper()
	b.eventuallyWithin(patience, what, yes)
}

func (b *bench) eventuallyWithin(long time.Duration, what string, yes func() bool) {
	b.Helper()
	for end := time.Now().Add(long); !yes(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("not within %s: %s", long, what)
		}
	}
}

// topology is one of orders in the namespace, with changes to its text.
func (b *bench) topology(masters, replicas int, changes ...string) string {
	text := fmt.Sprintf(`apiVersion: slotwright/v1alpha1
kind: RedisCluster
metadata: {name: orders}
spec:
  masters: %d
  replicasPerMaster: %d
  zones: [a, b, c]
  platform:
    kubernetes:
      namespace: %s
      image: redis:7.0
      storage: {size: 1Gi}
      podTemplate: {spec: {dnsPolicy: Default}}
`, masters, replicas, b.namespace)
	return strings.NewReplacer(changes...).Replace(text)
}

// kind is the part of the API that serves a kind of the core group.
func (b *bench) kind(kind string) dynamic.NamespaceableResourceInterface {
	return b.api.Resource(schema.GroupVersionResource{Version: "v1", Resource: kind})
}

// pod is a pod as it is now.
type pod struct{ name, ip, node, uid, image string }

// objects are all of a kind, of a namespace or of none. Tests ask for them many
// times a second, which kubectl would be too slow for; who gets no answer gets none.
func (b *bench) objects(kind, namespace string) []unstructured.Unstructured {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all, err := b.kind(kind).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	return all.Items
}

// pods are the servers' with an address, by name.
func (b *bench) pods() map[string]pod {
	b.Helper()
	out := map[string]pod{}
	for _, o := range b.objects("pods", b.namespace) {
		ip, _, _ := unstructured.NestedString(o.Object, "status", "podIP")
		node, _, _ := unstructured.NestedString(o.Object, "spec", "nodeName")
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "containers")
		server := containers[0].(map[string]any)
		if name := o.GetName(); ip != "" && server["name"] == "redis" {
			out[name] = pod{name, ip, node, string(o.GetUID()), server["image"].(string)}
		}
	}
	return out
}

// zones are those of the machines.
func (b *bench) zones() map[string]string {
	b.Helper()
	out := map[string]string{}
	for _, o := range b.objects("nodes", "") {
		out[o.GetName()] = o.GetLabels()["topology.kubernetes.io/zone"]
	}
	return out
}

func (b *bench) addresses() []string {
	var out []string
	for _, p := range b.pods() {
		out = append(out, p.ip+":6379")
	}
	slices.Sort(out)
	return out
}
