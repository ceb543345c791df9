//go:build testbed

// The story of one testbed, on the real thing. It needs root and what `make
// testbed` builds; `make testbed-test` sees to both.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/deploy/testbed/bed"
)

// patience is for a machine that is busy with other things.
const patience = 3 * time.Minute

var selfPid = strconv.Itoa(os.Getpid())

type story struct {
	*testing.T
	command, dir, root string
}

func begin(t *testing.T) story {
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	s := story{t, filepath.Join(t.TempDir(), "testbed"), filepath.Join(t.TempDir(), "bed"), root}
	if out, err := exec.Command("go", "build", "-o", s.command, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if b, err := bed.Open(s.dir); err == nil {
			if err := b.Down(false); err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

// try runs the command and returns what it printed.
func (s story) try(stdin string, args ...string) (string, error) {
	cmd := exec.Command(s.command, append([]string{"--dir", s.dir}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%v: %w: %s", args, err, problem.String())
	}
	return strings.TrimSpace(out.String()), nil
}

func (s story) do(args ...string) string {
	s.Helper()
	out, err := s.try("", args...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

func (s story) kubectl(args ...string) string {
	s.Helper()
	return s.do(append([]string{"exec", "kubectl"}, args...)...)
}

// redis asks the server in a pod.
func (s story) redis(pod string, args ...string) (string, error) {
	return s.try("", append([]string{"exec", "kubectl", "exec", pod, "--", "timeout", "5", "redis-cli"}, args...)...)
}

func (s story) await(what string, holds func() bool) {
	s.Helper()
	begin := time.Now()
	for !holds() {
		if time.Since(begin) > patience {
			s.Fatalf("waited %s for %s", patience, what)
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.Logf("%s: %.1f s", what, time.Since(begin).Seconds())
}

func (s story) timed(what string, do func()) {
	s.Helper()
	begin := time.Now()
	do()
	s.Logf("%s: %.1f s", what, time.Since(begin).Seconds())
}

// assets is where the servers are.
func (s story) assets() string {
	if named := os.Getenv("KUBEBUILDER_ASSETS"); named != "" {
		return named
	}
	return filepath.Join(s.root, ".kube", "bin")
}

func (s story) up() {
	s.Helper()
	s.timed("up", func() {
		s.do("up", "--assets", s.assets(), "--image", "redis:7.0="+filepath.Join(s.root, ".engines", "redis-7.0", "root"))
	})
}

// deploy starts three servers with a volume each and waits until they are ready.
func (s story) deploy() {
	s.Helper()
	manifest, err := filepath.Abs("testdata/redis.yaml")
	if err != nil {
		s.Fatal(err)
	}
	s.timed("three pods with claims ready", func() {
		s.kubectl("apply", "-f", manifest)
		s.kubectl("rollout", "status", "statefulset/redis", "--timeout=180s")
	})
}

func (s story) address(pod string) string {
	s.Helper()
	return s.kubectl("get", "pod", pod, "-o", "jsonpath={.status.podIP}")
}

func (s story) ready(pod string) bool {
	out, _ := s.try("", "exec", "kubectl", "get", "pod", pod, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	return out == "True"
}

func TestPodsKeepTheirDataThroughAllThatCanBeBroken(t *testing.T) {
	s := begin(t)
	before := sharedState(t)
	s.up()
	s.deploy()

	zones := strings.Fields(s.kubectl("get", "nodes", "-o", `jsonpath={.items[*].metadata.labels.topology\.kubernetes\.io/zone}`))
	if strings.Join(zones, "") != "abc" {
		t.Errorf("zones of the nodes: %v", zones)
	}
	nodes := strings.Fields(s.kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"))
	if len(nodes) != 3 || nodes[0] == nodes[1] || nodes[1] == nodes[2] || nodes[0] == nodes[2] {
		t.Errorf("pods are not spread over the nodes: %v", nodes)
	}
	if out, err := s.redis("redis-0", "set", "key", "kept"); out != "OK" {
		t.Fatalf("set: %q, %v", out, err)
	}
	s.kubectl("exec", "redis-0", "--", "sh", "-c", "nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null")

	s.deletePod()
	s.cutPod()
	s.killKubelet()
	s.killAPIServer()
	s.loseNode()
	s.loseScheduler()

	b, network := s.identity()
	s.timed("down", func() { s.do("down") })
	s.leavesNothing(b, network)
	for path, was := range before {
		if is := sharedState(t)[path]; is != was {
			t.Errorf("%s: was %q, is %q", path, was, is)
		}
	}
}

// identity is what tells this testbed from all others.
func (s story) identity() (bed.Bed, string) {
	s.Helper()
	b, err := bed.Open(s.dir)
	if err != nil {
		s.Fatal(err)
	}
	network, err := os.Readlink("/proc/" + strconv.Itoa(b.Pid) + "/ns/net")
	if err != nil {
		s.Fatal(err)
	}
	if traces(s.T, b, network) == nil {
		s.Fatal("a running testbed is not seen by its traces")
	}
	return b, network
}

// leavesNothing waits for the first process of the machine to take note of the
// last that ended.
func (s story) leavesNothing(b bed.Bed, network string) {
	s.Helper()
	var left []string
	defer func() {
		if left != nil {
			s.Errorf("left behind: %v", left)
		}
	}()
	s.await("no trace", func() bool { left = traces(s.T, b, network); return left == nil })
}

func (s story) deletePod() {
	s.Helper()
	was := s.kubectl("get", "pod", "redis-0", "-o", "jsonpath={.metadata.uid} {.spec.nodeName}")
	uid, node, _ := strings.Cut(was, " ")
	s.timed("a deleted pod replaced", func() {
		s.kubectl("delete", "pod", "redis-0")
		s.await("its successor", func() bool { return s.ready("redis-0") })
	})
	is := s.kubectl("get", "pod", "redis-0", "-o", "jsonpath={.metadata.uid} {.spec.nodeName}")
	if strings.HasPrefix(is, uid) || !strings.HasSuffix(is, " "+node) {
		s.Errorf("pod and node were %s, are %s", was, is)
	}
	s.keeps("redis-0")
}

func (s story) keeps(pod string) {
	s.Helper()
	if out, err := s.redis(pod, "get", "key"); out != "kept" {
		s.Errorf("%s lost its key: %q, %v", pod, out, err)
	}
}

func (s story) cutPod() {
	s.Helper()
	address := s.address("redis-0")
	if out, err := s.redis("redis-1", "-h", address, "get", "key"); out != "kept" {
		s.Errorf("redis-1 does not reach redis-0: %q, %v", out, err)
	}
	s.do("pod", "cut", "default/redis-0")
	if out, err := s.redis("redis-1", "-h", address, "get", "key"); err == nil {
		s.Errorf("redis-1 reaches redis-0, which is cut off: %q", out)
	}
	s.keeps("redis-0")
	s.do("pod", "join", "default/redis-0")
	s.await("a pod joined again", func() bool {
		out, _ := s.redis("redis-1", "-h", address, "get", "key")
		return out == "kept"
	})
}

func (s story) killKubelet() {
	s.Helper()
	node := s.kubectl("get", "pod", "redis-0", "-o", "jsonpath={.spec.nodeName}")
	s.do("kubelet", "stop", node)
	if out, err := s.redis("redis-0", "get", "key"); err == nil {
		s.Errorf("a killed kubelet answers: %q", out)
	}
	s.do("kubelet", "start", node)
	s.await("a kubelet back", func() bool { _, err := s.redis("redis-0", "get", "key"); return err == nil })
	if restarts := s.kubectl("get", "pod", "redis-0", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"); restarts != "0" {
		s.Errorf("%s restarts of a pod whose kubelet was killed", restarts)
	}
}

// killAPIServer keeps it away until the controllers gave up, as they do, and
// wants them to work again afterwards.
func (s story) killAPIServer() {
	s.Helper()
	s.do("apiserver", "stop")
	if _, err := s.try("", "exec", "kubectl", "get", "nodes"); err == nil {
		s.Error("a killed API server answers")
	}
	s.await("controllers that gave up", func() bool {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log", "testbed.log"))
		return strings.Contains(string(log), "kube-controller-manager ended") && strings.Contains(string(log), "kube-scheduler ended")
	})
	s.timed("API server back", func() { s.do("apiserver", "start") })
	s.kubectl("scale", "statefulset/redis", "--replicas=4")
	s.await("a fourth pod", func() bool { return s.ready("redis-3") })
	s.kubectl("scale", "statefulset/redis", "--replicas=3")
}

func (s story) loseNode() {
	s.Helper()
	node := s.kubectl("get", "pod", "redis-0", "-o", "jsonpath={.spec.nodeName}")
	address := s.address("redis-0")
	s.do("node", "stop", node)
	out, err := s.redis("redis-1", "-h", address, "get", "key")
	if err == nil || strings.Contains(err.Error()+out, "refused") {
		s.Errorf("a lost node says something: %q, %v", out, err)
	}
	if err := exec.Command(s.command, "--dir", s.dir, "kubelet", "start", node).Run(); err == nil {
		s.Error("a kubelet was started on a node that is switched off")
	}
	s.timed("node back", func() { s.do("node", "start", node) })
	s.await("its pod", func() bool { out, _ := s.redis("redis-0", "get", "key"); return out == "kept" })
}

// loseScheduler also runs an image that was given to the nodes just now, and
// restarts etcd under the API server.
func (s story) loseScheduler() {
	s.Helper()
	s.do("load", "own:1="+filepath.Join(s.assets(), "pause"))
	s.do("scheduler", "stop")
	s.do("etcd", "stop")
	s.do("etcd", "start")
	s.await("etcd back", func() bool { _, err := s.try("", "exec", "kubectl", "get", "nodes"); return err == nil })
	s.kubectl("run", "own", "--image=own:1", "--restart=Never")
	time.Sleep(time.Second)
	if node := s.kubectl("get", "pod", "own", "-o", "jsonpath={.spec.nodeName}"); node != "" {
		s.Errorf("a pod came to %s without a scheduler", node)
	}
	s.do("scheduler", "start")
	s.await("a pod of an own image", func() bool { return s.ready("own") })
}

func TestOneThatCanNotStartIsTakenDownButForItsLogs(t *testing.T) {
	s := begin(t)
	_, err := s.try("", "up", "--assets", s.assets(), "--image", "own:1=/nowhere/program")
	if err == nil || !strings.Contains(err.Error(), "/nowhere/program") {
		t.Errorf("an image of nothing: %v", err)
	}
	left, _ := filepath.Glob(s.dir + "/*")
	if len(left) != 1 || filepath.Base(left[0]) != "log" {
		t.Errorf("left: %v", left)
	}
	s.await("no process of it", func() bool {
		out, _ := exec.Command("pgrep", "-f", s.dir).Output()
		return len(out) == 0
	})
}

func TestOneWhoseSupervisorWasKilledLeavesNothing(t *testing.T) {
	s := begin(t)
	s.up()
	s.deploy()
	b, network := s.identity()
	supervisor, err := os.FindProcess(b.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := supervisor.Kill(); err != nil {
		t.Fatal(err)
	}
	s.await("its end", func() bool { _, err := s.try("", "exec", "true"); return err != nil })
	if _, err := s.try("", "apiserver", "stop"); err == nil || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("an order to nobody: %v", err)
	}
	s.timed("down", func() { s.do("down") })
	s.leavesNothing(b, network)
}
