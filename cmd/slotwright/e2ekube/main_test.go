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

	password string      // of the servers; "" is none
	secure   *tls.Config // nil is plain text
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, dir: t.TempDir()}
	b.namespace = fmt.Sprintf("t-%x", time.Now().UnixNano())
	b.kubectl("create", "namespace", b.namespace)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", b.kubectl("-n", b.namespace, "get", "pods,statefulsets,events", "-o", "wide"))
		}
		b.kubectl("delete", "namespace", b.namespace, "--wait=false")
		b.kubectl("-n", b.namespace, "delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false")
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
	for end := time.Now().Add(patience); !yes(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("not within %s: %s", patience, what)
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

// pod is a pod as it is now.
type pod struct{ name, ip, node, uid, image string }

// pods are those with an address, by name.
func (b *bench) pods() map[string]pod {
	b.Helper()
	const form = `{range .items[*]}{.metadata.name} {.status.podIP} {.spec.nodeName} {.metadata.uid} {.spec.containers[0].image}{"\n"}{end}`
	out := map[string]pod{}
	text, err := b.tryKubectl("-n", b.namespace, "get", "pods", "-o", "jsonpath="+form)
	if err != nil {
		return out
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 5 {
			out[f[0]] = pod{f[0], f[1], f[2], f[3], f[4]}
		}
	}
	return out
}

// zones are those of the machines.
func (b *bench) zones() map[string]string {
	b.Helper()
	out := map[string]string{}
	for line := range strings.Lines(b.kubectl("get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.topology\.kubernetes\.io/zone}{"\n"}{end}`)) {
		if f := strings.Fields(line); len(f) == 2 {
			out[f[0]] = f[1]
		}
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
