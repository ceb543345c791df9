package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec"
)

// world is clusters in memory, by name, on which every step has the effect
// that plan says it has.
type world map[string]*rehearsal

type rehearsal struct {
	now    cluster.State
	did    []plan.Step
	holder string
	broken error // what every stage ends with
}

// blank is a cluster of n nodes that know nobody, all listed.
func blank(want spec.Topology) *rehearsal {
	r := &rehearsal{}
	for _, n := range want.Platform.Static.Nodes {
		r.now.Nodes = append(r.now.Nodes, cluster.Node{
			Name: n.Name, ID: "id-" + n.Name, Addr: n.Address, Host: n.Address, Zone: n.Zone, Listed: true, Exists: true,
			Ready: true, Server: cluster.Server{Name: "redis", Version: "7.0.15", Databases: 1},
		})
	}
	return r
}

// opening guards a world while several commands, or one for several clusters, use it.
var opening sync.Mutex

func (w world) connect(want spec.Topology) (reconcile.Cluster, error) {
	if strings.HasPrefix(want.Name, "lost") {
		return nil, errors.New("auth.password: the environment variable PASSWORD is not set")
	}
	opening.Lock()
	defer opening.Unlock()
	if w[want.Name] == nil {
		w[want.Name] = blank(want)
	}
	return w[want.Name], nil
}

func (r *rehearsal) Observe(context.Context) (cluster.State, error) {
	opening.Lock()
	defer opening.Unlock()
	return r.now, nil
}

func (r *rehearsal) Do(_ context.Context, _ cluster.State, stage []plan.Step, report func(plan.Progress)) error {
	if r.broken != nil {
		return r.broken
	}
	for _, s := range stage {
		opening.Lock()
		r.did = append(r.did, s)
		r.now = s.Effect(r.now)
		opening.Unlock()
		report(plan.Progress{Step: s, Done: 1, Total: 1})
	}
	return nil
}

func (r *rehearsal) Lock(context.Context) (func(), string, error) {
	if r.holder != "" {
		return nil, r.holder, nil
	}
	return func() {}, "", nil
}

func (*rehearsal) Tidy(context.Context, cluster.State) error { return nil }

// desk is a place to type commands at.
type desk struct {
	t        *testing.T
	world    world
	dir      string
	out, err bytes.Buffer
}

func sit(t *testing.T) *desk { return &desk{t: t, world: world{}, dir: t.TempDir()} }

// file writes a topology of three masters without replicas on n nodes.
func (d *desk) file(name string, masters, n int) string {
	d.t.Helper()
	var nodes []string
	for i := range n {
		nodes = append(nodes, fmt.Sprintf("{name: n%d, address: '%s.test:%d'}", i, name, 7000+i))
	}
	text := fmt.Sprintf("apiVersion: slotwright/v1alpha1\nkind: RedisCluster\nmetadata: {name: %s}\nspec:\n  masters: %d\n"+
		"  replicasPerMaster: 0\n  zoneSpread: 'Off'\n  platform: {static: {nodes: [%s]}}\n", name, masters, strings.Join(nodes, ", "))
	path := filepath.Join(d.dir, name+".yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// types runs a command line. With an answer there is a terminal to give it at.
func (d *desk) types(answer string, args ...string) int {
	d.out.Reset()
	d.err.Reset()
	return run(d.t.Context(), args, &tool{
		in: strings.NewReader(answer), out: &d.out, err: &d.err, asks: answer != "",
		env: func(string) (string, bool) { return "", false }, connect: d.world.connect,
	})
}

// expects demands an exit code, and words on stdout or stderr.
func (d *desk) expects(code, got int, words ...string) {
	d.t.Helper()
	all := d.out.String() + d.err.String()
	for _, w := range words {
		if !strings.Contains(all, w) {
			d.t.Errorf("%q is not said", w)
		}
	}
	if code != got || d.t.Failed() {
		d.t.Fatalf("exit code %d, want %d\n--- stdout\n%s--- stderr\n%s", got, code, &d.out, &d.err)
	}
}

func mustLoad(t *testing.T, path string) spec.Topology {
	t.Helper()
	sources, err := spec.Read([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := spec.Load(sources)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}
