//go:build e2ekube

package e2ekube

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// plain is the binary as people have it: what it measures is not the race
// detector's.
func plain(t *testing.T) {
	t.Helper()
	path, remove := livetest.Command()
	was := binary
	binary = path
	t.Cleanup(func() { binary = was; remove() })
}

// serve waits until every pod says that the cluster is whole.
func (b *bench) serve(n int) {
	b.Helper()
	b.eventually("every pod serves", func() bool {
		all := b.addresses()
		for _, addr := range all {
			if text, err := b.ask(addr, "CLUSTER", "INFO"); err != nil || !strings.Contains(text, "cluster_state:ok") {
				return false
			}
		}
		return len(all) == n
	})
}

// Figures for the README: run it alone, on an idle machine.
func TestFigureOfACommitUntilAClusterServesBesideKubectlAndRedisCli(t *testing.T) {
	plain(t)
	for range 2 {
		b := newBench(t)
		r := b.repository()
		r.commit(b.topology(3, 1, "spec:\n", "spec:\n  suspend: true\n"))
		d := b.follows(r)
		b.eventually("it follows", func() bool { return strings.Contains(d.log.String(), "read") })
		r.commit(b.topology(3, 1))
		begin := time.Now()
		b.serve(6)
		ours := time.Since(begin)

		b = newBench(t)
		begin = time.Now()
		b.in("apply", "-f", b.write(old))
		b.in("rollout", "status", "statefulset/redis-cluster", "--timeout=3m")
		b.create(b.addresses())
		b.serve(6)
		t.Logf("from the commit until 6 pods serve: %.1f s; with kubectl apply and redis-cli --cluster create: %.1f s", ours.Seconds(), time.Since(begin).Seconds())
	}
}

// counter is a way to the API server that counts requests, but for watches.
type counter struct {
	mu  sync.Mutex
	all map[string]int
}

func (c *counter) add(r *http.Request) {
	kind := r.Method + " " + r.URL.Path
	switch {
	case r.URL.Query().Get("watch") == "true":
		kind = "watch"
	case strings.Contains(r.URL.Path, "/leases/"):
		kind = "lease"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[kind]++
}

func (c *counter) taken() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.all
	c.all = map[string]int{}
	return out
}

// counts gives a KUBECONFIG by which requests are counted.
func (b *bench) counts() (config string, c *counter) {
	b.Helper()
	real, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	b.must(err)
	to, err := url.Parse(real.Host)
	b.must(err)
	through, err := rest.TransportFor(real)
	b.must(err)
	c = &counter{all: map[string]int{}}
	proxy := &httputil.ReverseProxy{Transport: through, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { c.add(r.In); r.SetURL(to) }}
	s := httptest.NewUnstartedServer(proxy)
	l, err := net.Listen("tcp", "127.75.1.2:0")
	b.must(err)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	b.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	config = filepath.Join(b.dir, "kubeconfig")
	b.must(os.WriteFile(config, []byte("{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: 'http://"+l.Addr().String()+
		"'}}], users: [{name: u, user: {}}], contexts: [{name: c, context: {cluster: c, user: u}}]}"), 0o600))
	return config, c
}

func TestADaemonWhosePodsRestAsksTheAPIServerNothingButItsLease(t *testing.T) {
	plain(t)
	b := newBench(t)
	config, count := b.counts()
	t.Setenv("KUBECONFIG", config)
	_, d := b.formed(3, b.topology(3, 1), "--resync", "5s", "--lease", b.namespace+"/slotwright")
	b.serve(6)
	const long = time.Minute
	var asked map[string]int
	rests := func() bool { // pods become ready, and it looks
		count.taken()
		time.Sleep(long) // what is measured
		asked = count.taken()
		return len(asked) == 1
	}
	b.eventually("nothing but the lease is asked for", rests)
	t.Logf("requests in %s with a pass every 5 s: %v", long, asked)
	b.in("label", "service", "orders", "app.kubernetes.io/name=other", "--overwrite")
	b.eventually("what somebody changed is put back", func() bool {
		return b.in("get", "service", "orders", "-o", `jsonpath={.metadata.labels.app\.kubernetes\.io/name}`) == "redis-cluster"
	})
	if text := d.log.String(); strings.Contains(text, "level=ERROR") {
		t.Error(text)
	}
}
