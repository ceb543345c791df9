//go:build testbed

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/deploy/testbed/bed"
)

// shared are paths outside of a testbed's directory that its parts would use
// if they were not kept from it.
var shared = []string{
	"/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods",
	"/opt/containerd", "/usr/libexec/kubernetes", "/etc/cni/net.d",
	"/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic", "/proc/sys/kernel/panic_on_oops", "/proc/sys/net/ipv4/ip_forward",
}

// sharedState is what is there: the content of a file, the names in a directory.
func sharedState(t *testing.T) map[string]string {
	t.Helper()
	state := map[string]string{}
	for _, path := range shared {
		info, err := os.Stat(path)
		switch {
		case os.IsNotExist(err):
			state[path] = "not there"
		case err != nil:
			t.Fatal(err)
		case info.IsDir():
			entries, _ := filepath.Glob(path + "/*")
			state[path] = strings.Join(entries, " ")
		default:
			content, _ := os.ReadFile(path)
			state[path] = string(content)
		}
	}
	return state
}

// traces are the processes, mounts and control groups that name the testbed,
// and those who hold its network.
func traces(t *testing.T, b bed.Bed, network string) []string {
	t.Helper()
	var found []string
	for _, file := range []string{"cmdline", "cgroup", "mountinfo"} {
		paths, _ := filepath.Glob("/proc/[0-9]*/" + file)
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil || strings.HasPrefix(path, "/proc/"+selfPid+"/") {
				continue
			}
			if strings.Contains(string(content), b.Group) || strings.Contains(string(content), b.Dir) {
				found = append(found, path)
			}
		}
	}
	spaces, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, path := range spaces {
		if seen, err := os.Readlink(path); err == nil && seen == network {
			found = append(found, path)
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup/*/" + b.Group, "/sys/fs/cgroup/" + b.Group, b.Dir} {
		paths, _ := filepath.Glob(pattern)
		found = append(found, paths...)
	}
	return found
}
