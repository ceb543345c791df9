//go:build e2ekube

package e2ekube

import (
	"strings"
	"testing"
)

// values are those of a daemon that follows url, in a namespace where only its
// own rights hold. There is no DNS.
func values(url string) string {
	return `
image: slotwright:dev
imagePullPolicy: Never
flags: {source: "` + url + `", branch: main, interval: 1s, resync: 1m, failback-after: 5s}
credentials:
  git-password-file: {secret: git, key: password}
  git-ca-file: {configMap: git-ca, key: ca.crt}
podSpec: {dnsPolicy: Default}
`
}

// The daemon runs as two pods of the chart, in a namespace that takes restricted
// pods only, with a password for git and one for the servers. All that people do
// is to commit.
func TestTheDaemonOfTheChartLeadsAClusterThroughItsWholeLifeByItsRightsAlone(t *testing.T) {
	const gitWord, redisWord = "canary-of-git", "canary-of-redis"
	b := newBench(t)
	b.password = redisWord
	b.kubectl("label", "namespace", b.namespace, "pod-security.kubernetes.io/enforce=restricted")
	b.in("create", "secret", "generic", "redis", "--from-literal=pw="+redisWord)
	r := b.repository()
	wanted := func(masters, replicas int, more string) {
		r.commit(b.topology(masters, replicas, "spec:\n", "spec:\n  auth: {password: {secret: {name: redis, key: pw}}}\n"+more))
	}
	wanted(3, 1, "")
	b.follow(r, gitWord)
	b.becomes(3, 1)
	client, zones := b.writes(), b.zoned()

	wanted(4, 1, "")
	first := b.holder()
	b.in("delete", "pod", first, "--force", "--grace-period=0") // as a machine that dies: the Lease is not given back
	b.eventually("the other daemon leads", func() bool { h := b.holder(); return h != "" && h != first })
	b.becomes(4, 1)
	wanted(3, 1, "")
	b.becomes(3, 1)
	if claims := b.in("get", "pvc", "-o", "name"); !strings.Contains(claims, "data-orders-a-2") {
		t.Errorf("the claims of the pods that left are gone:\n%s", claims)
	}
	wanted(3, 2, "") // on one of those claims
	b.becomes(3, 2)
	zones()
	t.Logf("longest time without an answer: %s", client.end())
	logs := b.in("logs", "-l", "app.kubernetes.io/name=slotwright", "--tail=-1")
	objects := b.in("get", "events,configmaps,services,statefulsets,pods,deployments,leases,poddisruptionbudgets,pvc", "-o", "yaml")
	if !strings.Contains(objects, "reason: Move") {
		t.Error("no Event tells of a step")
	}
	for _, word := range []string{gitWord, redisWord} {
		if strings.Contains(logs, word) || strings.Contains(objects, word) {
			t.Errorf("%s is in a log or an object", word)
		}
	}
	if strings.Contains(logs, "forbidden") {
		t.Errorf("something was forbidden:\n%s", logs)
	}

	wanted(3, 2, "  state: Absent\n  allow: {delete: orders}\n")
	b.eventually("everything is removed", func() bool {
		return !strings.Contains(b.in("get", "statefulsets,services,configmaps,poddisruptionbudgets,pods", "-o", "name"), "orders")
	})
}

// follow installs the chart, and has its daemons follow a repository.
func (b *bench) follow(r *repository, gitWord string) {
	b.Helper()
	url, ca := r.serves(gitWord)
	b.in("create", "secret", "generic", "git", "--from-literal=password="+gitWord)
	b.in("create", "configmap", "git-ca", "--from-literal=ca.crt="+ca)
	b.installed(b.chart(values(url)))
	b.Cleanup(func() {
		if b.Failed() {
			out, _ := b.tryKubectl("-n", b.namespace, "logs", "-l", "app.kubernetes.io/name=slotwright", "--prefix", "--tail=200")
			b.Logf("the daemons said:\n%s", out)
		}
	})
	b.in("rollout", "status", "deployment/slotwright", "--timeout=3m")
}
