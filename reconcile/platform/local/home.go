package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// home is the directory of one cluster. Each node has a directory in it, named
// like the node.
type home struct{ dir, cluster string }

// marker is the file that says: slotwright made this directory, for this node.
// It is written once, before the node first starts.
type marker struct {
	Cluster string `json:"cluster"`
	seat
	Port int `json:"port"`
	Base int `json:"base,omitempty"` // the basePort it was made with
}

// The files of a node's directory that are not the server's own, and the
// prefixes of directories on their way in and out.
const (
	markerFile  = "slotwright.json"
	confFile    = "redis.conf"
	refusedFile = "redis.conf.refused" // what the server did not start with
	pidFile     = "redis.pid"
	logFile     = "redis.log"
	stoppedFile = "stopped" // stopped on purpose: not a node that died
	coming      = ".new-"
	going       = ".gone-"
)

func (h home) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

// nodes are the nodes that have a directory here, by name.
func (h home) nodes() (map[string]*marker, error) {
	entries, err := os.ReadDir(h.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	out := map[string]*marker{}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		m, err := h.marker(e.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[m.Node] = m
	}
	return out, nil
}

// marker reads a node's marker. One that is not there is os.ErrNotExist; one
// of another cluster or node is an error, because its directory is not ours.
func (h home) marker(node string) (*marker, error) {
	text, err := os.ReadFile(h.path(node, markerFile))
	if err != nil {
		return nil, err
	}
	m := &marker{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s: %w", h.path(node, markerFile), err)
	}
	if m.Cluster != h.cluster || m.Node != node {
		return nil, fmt.Errorf("%s belongs to node %s of cluster %s; give cluster %s another spec.platform.local.directory",
			h.path(node), m.Node, m.Cluster, h.cluster)
	}
	return m, nil
}

// create makes a node's directory. It appears with its marker in it or not at
// all: it is renamed into place.
func (h home) create(m *marker) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	dir := h.path(coming + m.Node)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, markerFile), append(text, '\n'), 0o600); err != nil {
		return err
	}
	// Rename would replace an empty directory that somebody else made, and
	// fails on any other.
	if _, err := os.Lstat(h.path(m.Node)); err == nil {
		return fmt.Errorf("%s is in the way: slotwright did not make it; move it, or set another spec.platform.local.directory",
			h.path(m.Node))
	}
	return os.Rename(dir, h.path(m.Node))
}

// remove takes a node's directory away. The rename is the point of no return:
// what a killed run leaves of it, sweep finishes. os.Root keeps every step
// inside the cluster's directory and follows no link out of it.
func (h home) remove(node string) error {
	root, err := os.OpenRoot(h.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Lstat(node)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", h.path(node))
	}
	if _, err := h.marker(node); err != nil {
		return fmt.Errorf("nothing removed, the marker is missing or wrong: %w", err)
	}
	if err := root.Rename(node, going+node); err != nil {
		return err
	}
	return root.RemoveAll(going + node)
}

// sweep removes what a killed run left half made or half removed. The caller
// holds the lock, so nobody else is at it.
func (h home) sweep() error {
	root, err := os.OpenRoot(h.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := os.ReadDir(h.dir)
	for _, e := range entries {
		if e.IsDir() && (strings.HasPrefix(e.Name(), coming) || strings.HasPrefix(e.Name(), going)) {
			err = errors.Join(err, root.RemoveAll(e.Name()))
		}
	}
	return err
}

func (h home) stopped(node string) bool {
	_, err := os.Stat(h.path(node, stoppedFile))
	return err == nil
}

// freePort is the lowest port from base on that no node of this cluster has.
func freePort(base int, made map[string]*marker) int {
	used := map[int]bool{}
	for _, m := range made {
		used[m.Port] = true
	}
	for used[base] {
		base++
	}
	return base
}

func sorted(made map[string]*marker) []*marker {
	var out []*marker
	for _, m := range made {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b *marker) int { return strings.Compare(a.Node, b.Node) })
	return out
}

// tail is the end of a node's log from offset on, for an error message. A
// server that refuses its configuration quotes the line, which may hold a
// password: only the directive's name is kept.
func (h home) tail(node string, offset int64) string {
	const most = 600
	text, err := os.ReadFile(h.path(node, logFile))
	if err != nil || int64(len(text)) < offset {
		return ""
	}
	text = quoted.ReplaceAll(bytes.TrimSpace(text[offset:]), []byte("$1 ..."))
	return string(text[max(0, len(text)-most):])
}

var quoted = regexp.MustCompile(`(?m)(>>> '\S+).*$`)
