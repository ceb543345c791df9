package bed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// plugins is where Debian has the programs that connect pods.
const plugins = "/usr/lib/cni"

// covered directories are private to each node, so nothing of the testbed
// can lie below them.
var covered = []string{"/run", "/var/run", "/var/lib", "/var/log"}

// lacks says in one error all that the machine lacks for a testbed.
func (b Bed) lacks() error {
	var lacks []error
	if os.Geteuid() != 0 {
		lacks = append(lacks, errors.New("it has to run as root: it makes network namespaces, mounts and control groups"))
	}
	for _, program := range []string{"containerd", "ctr", "runc", "nsenter", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			lacks = append(lacks, fmt.Errorf("%s is not installed; `make testbed` installs it where there is apt-get", program))
		}
	}
	for _, plugin := range []string{"bridge", "host-local", "loopback"} {
		if _, err := os.Stat(filepath.Join(plugins, plugin)); err != nil {
			lacks = append(lacks, fmt.Errorf("%s/%s is missing; it is in the package containernetworking-plugins", plugins, plugin))
		}
	}
	for _, program := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "pause"} {
		if _, err := os.Stat(b.asset(program)); err != nil {
			lacks = append(lacks, fmt.Errorf("%s is missing; `make testbed` builds it", b.asset(program)))
		}
	}
	return errors.Join(append(lacks, unfit(b.Dir))...)
}

// unfit says why the directory can't hold a testbed.
func unfit(dir string) error {
	if slices.ContainsFunc(covered, func(top string) bool { return strings.HasPrefix(dir+"/", top+"/") }) {
		return fmt.Errorf("%s lies in one of %s, which every node has its own of", dir, strings.Join(covered, ", "))
	}
	const overlayMagic = 0x794c7630
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err == nil && stat.Type == overlayMagic {
		return fmt.Errorf("%s lies on an overlay, on which no container can have another; name a directory of a disk or a tmpfs", dir)
	}
	return nil
}
