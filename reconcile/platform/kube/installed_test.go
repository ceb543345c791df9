//go:build apiserver

package kube

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The chart and the overlays are installed as people do it. What a server does
// not know of a manifest it would not say: validation is strict.
func TestTheChartAndTheOverlaysAreInstalled(t *testing.T) {
	const values = "image: slotwright:dev\nflags: {source: \"https://git.example.com/r.git\", branch: main}\n"
	chart := func(more string) func(*bench) {
		return func(b *bench) { b.apply("-f", b.chart(values+more)) }
	}
	overlay := func(name string) func(*bench) {
		return func(b *bench) { b.apply("-k", b.overlay(name)) }
	}
	for _, c := range []struct {
		name    string
		install func(*bench)
		wide    bool
	}{
		{"chart", chart(""), false},
		{"chart cluster-wide", chart("clusterWide: true\n"), true},
		{"chart with all else", chart("state: {claim: c}\nreplicas: 1\nnetworkPolicy: {enabled: true, from: [{podSelector: {}}]}\nrbac: {nodes: true}\n"), false},
		{"overlay namespaced", overlay("namespaced"), false},
		{"overlay cluster-wide", overlay("cluster-wide"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := begins(t)
			c.install(b)
			b.kubectl("get", "deployment/slotwright", "serviceaccount/slotwright")
			if !b.can("patch", "statefulsets", b.namespace) || b.can("delete", "nodes", b.namespace) {
				t.Error("its rights are not the shipped ones")
			}
			if b.can("patch", "statefulsets", "default") != c.wide {
				t.Errorf("its rights in other namespaces: want %v", c.wide)
			}
		})
	}
}

func (b *bench) apply(how, where string) {
	b.Helper()
	b.kubectl("apply", "--validate=strict", how, where)
}

// chart is a file with what the chart makes of values.
func (b *bench) chart(values string) string {
	b.Helper()
	in, out := filepath.Join(b.TempDir(), "values.yaml"), filepath.Join(b.TempDir(), "manifests.yaml")
	b.must(os.WriteFile(in, []byte(values), 0o600))
	c := exec.CommandContext(b, "go", "run", ".", "chart", "../chart", "slotwright", b.namespace, in)
	c.Dir = "../../../deploy/render"
	var said strings.Builder
	c.Stderr = &said
	text, err := c.Output()
	if err != nil {
		b.Fatalf("render the chart: %v\n%s", err, &said)
	}
	b.must(os.WriteFile(out, text, 0o600))
	return out
}

// overlay is a directory that puts an overlay into this namespace.
func (b *bench) overlay(name string) string {
	b.Helper()
	dir := b.TempDir()
	shipped, err := filepath.Abs("../../../deploy/kustomize/overlays/" + name)
	b.must(err)
	from, err := filepath.Rel(dir, shipped)
	b.must(err)
	b.must(os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte("namespace: "+b.namespace+"\nresources: ["+from+"]\n"), 0o600))
	return dir
}

// can says whether the daemon's account may do something.
func (b *bench) can(verb, what, where string) bool {
	b.Helper()
	out, err := b.run("auth", "can-i", verb, what, "-n", where, "--as", "system:serviceaccount:"+b.namespace+":slotwright")
	word := strings.TrimSpace(strings.TrimPrefix(out, "Warning: resource 'nodes' is not namespace scoped\n"))
	if word != "yes" && word != "no" {
		b.Fatalf("may it %s %s? %v: %s", verb, what, err, out)
	}
	return word == "yes"
}

func (b *bench) kubectl(args ...string) {
	b.Helper()
	if out, err := b.run(args...); err != nil {
		b.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
}

func (b *bench) run(args ...string) (string, error) {
	b.Helper()
	bin, err := programs()
	b.must(err)
	how := []string{"--server", apiServer.config.Host, "--token", testToken, "--insecure-skip-tls-verify", "--namespace", b.namespace}
	c := exec.CommandContext(b, filepath.Join(bin, "kubectl"), append(how, args...)...)
	c.Env = append(os.Environ(), "HOME="+b.TempDir()) // no configuration, no cache
	out, err := c.CombinedOutput()
	return string(out), err
}
