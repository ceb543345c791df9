// Package bed is a Kubernetes cluster on this machine: real servers, kubelets
// and containers, in a network namespace and control groups of its own, in one
// directory. What it starts can always be found by its control group, so that
// taking it down leaves nothing behind, however it ended. It must not know
// what is tested on it.
package bed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Addresses inside the network namespace. Pods reach all of them; outside of
// the namespace nothing does.
const (
	// APIServer answers where pods look for it, at the first address of services.
	APIServer = "10.96.0.1"
	// Host is for servers of the tests, such as one for git.
	Host = "10.245.0.254"

	services = "10.96.0.0/16"
	pods     = "10.246.0.0/16"
	etcdURL  = "http://127.0.0.1:2379"
	peerURL  = "http://127.0.0.1:2380"
)

// Bed is what has to be known to use a testbed or to take it down.
type Bed struct {
	Dir    string   `json:"dir"`    // absolute; holds all of its files
	Group  string   `json:"group"`  // the control group of all of its processes
	Assets string   `json:"assets"` // the directory of etcd, kube-apiserver, kubelet and so on
	Nodes  []Node   `json:"nodes"`
	Images []string `json:"images"` // NAME=PATH
	Host   string   `json:"host"`   // where pods reach servers of the tests
	Pid    int      `json:"pid"`    // of the process that supervises it
}

// Node is a machine of the cluster.
type Node struct {
	Name string `json:"name"`
	Zone string `json:"zone"`
}

// Spread names count nodes k1, k2, ... over the zones in turn.
func Spread(count int, zones []string) []Node {
	nodes := make([]Node, count)
	for i := range nodes {
		nodes[i] = Node{Name: "k" + strconv.Itoa(i+1), Zone: zones[i%len(zones)]}
	}
	return nodes
}

func (b Bed) path(parts ...string) string { return filepath.Join(append([]string{b.Dir}, parts...)...) }

func (b Bed) asset(name string) string { return filepath.Join(b.Assets, name) }

func (b Bed) logFile(name string) string {
	return b.path("log", strings.ReplaceAll(name, "/", "-")+".log")
}

// Kubeconfig is the path of the administrator's.
func (b Bed) Kubeconfig() string { return b.path("kubeconfig") }

// groupPrefix begins the names of all testbeds' control groups.
const groupPrefix = "testbed-"

// record is written first and read by everything that comes later.
const record = "testbed.json"

// Open reads what is known of the testbed in the directory.
func Open(dir string) (Bed, error) {
	var b Bed
	dir, err := filepath.Abs(dir)
	if err != nil {
		return b, err
	}
	data, err := os.ReadFile(filepath.Join(dir, record))
	if errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("there is no testbed in %s", dir)
	}
	if err != nil {
		return b, err
	}
	if err := json.Unmarshal(data, &b); err != nil {
		return b, fmt.Errorf("read %s: %w", filepath.Join(dir, record), err)
	}
	// Everything in this directory and this group is going to be removed.
	if b.Dir != dir || !strings.HasPrefix(b.Group, groupPrefix) {
		return b, fmt.Errorf("%s is not the record of a testbed in this directory", filepath.Join(dir, record))
	}
	return b, nil
}

func (b Bed) save() error {
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	temporary := b.path("." + record)
	if err := os.WriteFile(temporary, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, b.path(record))
}
