//go:build e2ekube

package e2ekube

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// host is this machine's address as pods reach it.
func (b *bench) host() string {
	b.Helper()
	node := b.kubectl("get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	c, err := net.Dial("udp", net.JoinHostPort(node, "9")) // sends nothing
	b.must(err)
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).IP.String()
}

// serves serves the repository over HTTPS to who knows the password, where pods
// reach it, and gives its URL and the authority
// of its certificate.
func (r *repository) serves(password string) (url, ca string) {
	r.b.Helper()
	host := r.b.host()
	files := livetest.NewCertificates(r.b, host)
	authority, err := os.ReadFile(files.CA)
	r.b.must(err)
	at, err := exec.Command("git", "--exec-path").Output()
	r.b.must(err)
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(at)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + r.dir, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + r.b.dir},
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, given, _ := req.BasicAuth(); given != password {
			http.Error(w, "not you, "+given, http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, req)
	}))
	l, err := net.Listen("tcp", host+":0")
	r.b.must(err)
	_ = s.Listener.Close()
	s.Listener, s.TLS = l, &tls.Config{Certificates: files.Client.Certificates, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	r.b.Cleanup(s.Close)
	return "https://" + l.Addr().String() + "/.git", string(authority)
}

// chart is what the chart makes of values.
func (b *bench) chart(values string) string {
	b.Helper()
	file := filepath.Join(b.dir, "values.yaml")
	b.must(os.WriteFile(file, []byte(values), 0o600))
	c := exec.Command("go", "run", ".", "chart", "../chart", "slotwright", b.namespace, file)
	c.Dir = "../../../deploy/render"
	out, err := c.CombinedOutput()
	if err != nil {
		b.Fatalf("render the chart: %v\n%s", err, out)
	}
	return string(out)
}

// installed gives manifests to the API server.
func (b *bench) installed(manifests string) {
	b.Helper()
	file := filepath.Join(b.dir, "manifests.yaml")
	b.must(os.WriteFile(file, []byte(manifests), 0o600))
	b.in("apply", "-f", file)
}

// holder is the pod that has the Lease; "" while nobody has.
func (b *bench) holder() string {
	text, err := b.tryKubectl("-n", b.namespace, "get", "lease", "slotwright", "-o", "jsonpath={.spec.holderIdentity}")
	if err != nil {
		return ""
	}
	pod, _, _ := strings.Cut(text, "_")
	return pod
}

// live is what the leading daemon tells of the cluster.
type live struct {
	Cluster, Revision, Health string
	InSync                    *bool
	Shards                    []struct {
		SlotCount int
		Master    struct{ Zone string }
		Replicas  []struct{ Zone string }
	}
}

func (b *bench) tells() (live, string) {
	ip, err := b.tryKubectl("-n", b.namespace, "get", "pod", b.holder(), "-o", "jsonpath={.status.podIP}")
	if err != nil {
		return live{}, "nobody leads"
	}
	client := http.Client{Timeout: 10 * time.Second}
	r, err := client.Get("http://" + net.JoinHostPort(ip, "9400") + "/api/v1/status")
	if err != nil {
		return live{}, err.Error()
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	all := struct{ Clusters []live }{}
	if err := json.Unmarshal(text, &all); err != nil || len(all.Clusters) != 1 {
		return live{}, fmt.Sprintf("%d clusters, %v in %s", len(all.Clusters), err, text)
	}
	return all.Clusters[0], string(text)
}

// becomes waits until the leader tells that the cluster has the shape, each shard
// in different zones.
func (b *bench) becomes(masters, replicas int) {
	b.Helper()
	last := ""
	defer func() {
		if b.Failed() {
			b.Logf("last told: %s", last)
		}
	}()
	b.eventually(fmt.Sprintf("%d masters with %d replicas", masters, replicas), func() bool {
		var now live
		now, last = b.tells()
		if now.InSync == nil || !*now.InSync || now.Health != "Healthy" || len(now.Shards) != masters {
			return false
		}
		for _, s := range now.Shards {
			zones := map[string]bool{s.Master.Zone: true}
			for _, r := range s.Replicas {
				zones[r.Zone] = true
			}
			if len(s.Replicas) != replicas || len(zones) != 1+replicas {
				return false
			}
		}
		return true
	})
}
