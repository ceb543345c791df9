package bed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/slotwright/slotwright/deploy/testbed/cgroup"
	"github.com/slotwright/slotwright/deploy/testbed/supervise"
)

// patience is for what takes seconds on a machine that has nothing else to do.
const patience = 3 * time.Minute

// machine is a node that can be switched on and off: a mount namespace with
// directories of its own, and containerd and a kubelet in it. All machines
// share the network namespace, and pods have one each.
type machine struct {
	bed   Bed
	node  Node
	index int
	tree  cgroup.Hierarchies

	mu                         sync.Mutex
	space, containerd, kubelet *supervise.Process
}

func (m *machine) dir(parts ...string) string {
	return m.bed.path(append([]string{m.node.Name}, parts...)...)
}

func (m *machine) group() string { return m.bed.Group + "/" + m.node.Name }

// on switches the machine on: what it had under /var/lib is there again, what
// it had under /run is not.
func (m *machine) on() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.space != nil {
		return nil
	}
	if err := m.boot(); err != nil {
		return errors.Join(fmt.Errorf("switch %s on: %w", m.node.Name, err), m.cut())
	}
	return nil
}

func (m *machine) boot() error {
	if err := m.prepare(); err != nil {
		return err
	}
	m.space = &supervise.Process{Name: m.node.Name + "/space", Log: m.bed.logFile(m.node.Name + "/space"), Args: m.spaceArgs()}
	if err := m.space.Start(); err != nil {
		return err
	}
	if err := await(patience, "its mounts", func() bool { return exists(m.dir("mounted")) }); err != nil {
		return err
	}
	m.containerd = m.process("containerd", "containerd", "--config", m.dir("containerd.toml"))
	if err := m.containerd.Start(); err != nil {
		return err
	}
	if err := await(patience, "containerd", func() bool { return exists(m.dir("run", "containerd", "containerd.sock")) }); err != nil {
		return err
	}
	if err := m.importAll(); err != nil {
		return err
	}
	m.kubelet = m.process("kubelet", m.bed.asset("kubelet"), "--config="+m.dir("kubelet.yaml"),
		"--kubeconfig="+m.bed.path("pki", m.node.Name+".kubeconfig"), "--hostname-override="+m.node.Name,
		"--node-ip="+nodeAddress(m.index), "--root-dir=/var/lib/kubelet", "--cert-dir=/var/lib/kubelet/pki",
		"--node-labels=topology.kubernetes.io/region=r,topology.kubernetes.io/zone="+m.node.Zone)
	return m.kubelet.Start()
}

// prepare writes what the machine finds when it starts.
func (m *machine) prepare() error {
	for _, group := range []string{m.group(), m.group() + "/system"} {
		if err := m.tree.Create(group); err != nil {
			return err
		}
	}
	for _, gone := range []string{"run", "mounted"} {
		if err := os.RemoveAll(m.dir(gone)); err != nil {
			return err
		}
	}
	for _, dir := range []string{"run", "lib", "log"} {
		if err := os.MkdirAll(m.dir(dir), 0o700); err != nil {
			return err
		}
	}
	if err := copySettings(m.dir("sys")); err != nil {
		return fmt.Errorf("copy kernel settings: %w", err)
	}
	for name, text := range map[string]string{
		"containerd.toml": containerdConfig(m.bed),
		"kubelet.yaml":    kubeletConfig(m.bed, m.group(), nodeAddress(m.index), m.dir("resolv.conf")),
		// Nobody resolves names here. A pod that asks is told so at once.
		"resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
	} {
		if err := os.WriteFile(m.dir(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// spaceArgs is a process that holds the mount namespace. Mounts are shared
// inside of it, as volumes and containers need, and unknown outside of it.
func (m *machine) spaceArgs() []string {
	const script = `set -e
		dir=$1
		echo 0 >"$2"
		shift 2
		mount --bind "$dir/lib" /var/lib
		mount --bind "$dir/log" /var/log
		for setting; do
			if [ -e "$dir/sys/$setting" ]; then mount --bind "$dir/sys/$setting" "/proc/sys/$setting"; fi
		done
		mount --bind "$dir/run" /run
		mount --make-rshared /
		: >"$dir/mounted"
		exec sleep infinity`
	return append([]string{"unshare", "--mount", "sh", "-c", script, "space", m.dir(), m.procs()}, settings...)
}

func (m *machine) procs() string { return m.tree.Procs(m.group() + "/system") }

func (m *machine) process(name string, args ...string) *supervise.Process {
	const script = `echo 0 >"$0" && exec "$@"`
	args = append([]string{"sh", "-c", script, m.procs()}, m.inside(args...)...)
	return &supervise.Process{Name: m.node.Name + "/" + name, Log: m.bed.logFile(m.node.Name + "/" + name), Args: args}
}

// inside is the command line that runs args in the machine's mount namespace.
func (m *machine) inside(args ...string) []string {
	return append([]string{"nsenter", "--mount=/proc/" + strconv.Itoa(m.space.Pid()) + "/ns/mnt", "--"}, args...)
}

func (m *machine) importAll() error {
	archives, err := filepath.Glob(m.bed.path("images", "*.tar"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := m.load(archive); err != nil {
			return err
		}
	}
	return nil
}

// load gives an image archive to the machine's containerd.
func (m *machine) load(archive string) error {
	args := m.inside("ctr", "--namespace", "k8s.io", "images", "import", archive)
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("import %s into %s: %w: %s", filepath.Base(archive), m.node.Name, err, out)
	}
	return nil
}

// off is what a lost machine is to the others: everything on it ends at once,
// containers too, and nothing is said to anybody.
func (m *machine) off() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cut()
}

// cut is called with the lock held.
func (m *machine) cut() error {
	for _, p := range []*supervise.Process{m.kubelet, m.containerd, m.space} {
		if p != nil {
			p.Stop()
		}
	}
	m.kubelet, m.containerd, m.space = nil, nil, nil
	if err := m.tree.Kill(m.group(), patience); err != nil {
		return err
	}
	// A machine that starts has none; a kubelet that finds some of dead
	// containers waits seconds for each.
	return m.tree.Remove(m.group(), patience)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// await looks until the condition holds.
func await(within time.Duration, what string, holds func() bool) error {
	for deadline := time.Now().Add(within); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s for %s", within, what)
		}
	}
	return nil
}
