//go:build bench

package bench

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/live"
	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/reconcile/platform/static"
	"github.com/slotwright/slotwright/spec"
)

const (
	hundred = 100
	usual   = 20 * time.Millisecond // the default of migration.maxLatency
)

// newHundred starts a hundred servers, which take about 1 GB. They announce
// their address instead of speaking from it: the kernel takes milliseconds to
// find a free port for each of ten thousand connections that are bound to one
// source address.
func newHundred(b *testing.B) *place {
	b.Helper()
	const host = "127.33.0.1"
	return newPlace(b, livetest.Options{Servers: hundred, Host: host, Config: map[string]string{
		"bind-source-addr": `""`, "cluster-announce-ip": host, "cluster-node-timeout": "15000", "appendonly": "no",
	}})
}

// BenchmarkCreate makes one cluster of 50 masters with a replica each of a
// hundred fresh servers.
func BenchmarkCreate(b *testing.B) {
	const peer = "redis-cli --cluster create"
	whole := results.row("create 100 nodes, 50 of them masters", peer, bar{speed: 2})
	serving := results.row("the same, until every node says cluster_state:ok", peer, bar{})
	b.Run("redis-cli", func(b *testing.B) {
		for b.Loop() {
			p := newHundred(b)
			took := timed(func() {
				p.cli(append([]string{"--cluster", "create", "--cluster-replicas", "1", "--cluster-yes"}, p.fleet.Addrs()...)...)
			})
			whole.peers = append(whole.peers, took)
			serving.peers = append(serving.peers, took+timed(p.served))
		}
	})
	b.Run("slotwright", func(b *testing.B) {
		for b.Loop() {
			p := newHundred(b)
			file := p.file(hundred/2, 1, usual)
			took := timed(func() { p.slotwright("apply", file, "--auto-approve") })
			whole.ours = append(whole.ours, took)
			serving.ours = append(serving.ours, took+timed(p.served))
			unchanged(b, p, file)
		}
	})
}

// unchanged measures passes over the cluster that was just made, where nothing
// is left to do.
func unchanged(b *testing.B, p *place, file string) {
	b.Helper()
	const passes, peer = 11, "redis-cli --cluster check"
	p.fleet.Write(b, 100_000, 128)
	open := results.row("a pass that changes nothing, 100 nodes, connections open", "", bar{time: 150 * time.Millisecond})
	first := results.row("the first pass, which dials and counts the keys of every slot", "", bar{})
	command := results.row("`slotwright plan` of the same", peer, bar{})
	want := load(b, file)
	c := connect(b, p, want)
	for i := range passes + 1 {
		took := timed(func() {
			if r := reconcile.Once(b.Context(), c, want, reconcile.Options{}); r.Sync() != reconcile.InSync {
				b.Fatalf("the pass found %v: %v", r.Sync(), r.Err)
			}
		})
		if i == 0 {
			first.ours = append(first.ours, took)
			continue
		}
		open.ours = append(open.ours, took)
	}
	for range passes {
		command.ours = append(command.ours, timed(func() { p.slotwright("plan", file, "--detailed-exitcode") }))
		command.peers = append(command.peers, timed(func() { p.cli("--cluster", "check", p.fleet.Servers[0].Addr) }))
	}
}

func load(b *testing.B, file string) spec.Topology {
	b.Helper()
	sources, err := spec.Read([]string{file}, nil)
	if err != nil {
		b.Fatal(err)
	}
	wants, err := spec.Load(sources)
	if err != nil {
		b.Fatal(err)
	}
	return wants[0]
}

func connect(b *testing.B, p *place, want spec.Topology) *live.Cluster {
	b.Helper()
	servers, err := static.New(want)
	if err != nil {
		b.Fatal(err)
	}
	c := live.New(want, servers, live.Options{State: filepath.Join(p.dir, "state")})
	b.Cleanup(func() { _ = c.Close() }) // nothing is lost with a connection
	return c
}
