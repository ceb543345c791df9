//go:build e2ekube

package e2ekube

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// secured is a place whose servers want a password and certificates, from two
// Secrets; words are what nobody else may tell, by what they are.
func secured(t *testing.T) (b *bench, words map[string]string) {
	t.Helper()
	b = newBench(t)
	b.password = "canary-of-redis \"1\" \\"
	certs := livetest.NewCertificates(b, "*.orders-nodes."+b.namespace+".svc")
	b.secure = certs.Client.Clone()
	b.secure.ServerName = "any.orders-nodes." + b.namespace + ".svc"
	b.in("create", "secret", "generic", "redis", "--from-literal=pw="+b.password)
	b.certified(certs)
	key, err := os.ReadFile(certs.Key)
	b.must(err)
	return b, map[string]string{"the password": "canary-of-redis", "the key": strings.Split(string(key), "\n")[1]}
}

// certified makes certificates the Secret's.
func (b *bench) certified(c *livetest.Certificates) {
	b.Helper()
	b.given(b.in("create", "secret", "generic", "certs", "--dry-run=client", "-o", "yaml",
		"--from-file=ca.crt="+c.CA, "--from-file=tls.crt="+c.Cert, "--from-file=tls.key="+c.Key))
}

// brings has kubelets look at their Secrets now: they do whenever a pod changes,
// else each at its own time within some two minutes, which is longer than the
// servers of this test let an old password in.
func (b *bench) brings() {
	b.Helper()
	b.in("annotate", "pods", "--all", "test/now="+time.Now().Format("150405"), "--overwrite")
}

func (b *bench) securedTopology(masters int) string {
	return b.topology(masters, 1, "spec:\n", "spec:\n  auth: {password: {secret: {name: redis, key: pw}}}\n  tls: {secret: certs}\n",
		"dnsPolicy: Default", `dnsPolicy: Default, containers: [{name: redis, env: [{name: SECRET_SECONDS, value: "30"}]}]`)
}

// untold demands that no object but a Secret holds a word, whatever its kind, and
// none of the texts does.
func (b *bench) untold(words map[string]string, texts map[string]string) {
	b.Helper()
	var kinds []string
	for _, kind := range strings.Fields(b.kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name")) {
		if kind != "secrets" {
			kinds = append(kinds, kind)
		}
	}
	texts["an object"] = b.in("get", strings.Join(kinds, ","), "-o", "yaml", "--show-managed-fields")
	texts["a secret's managed fields"] = b.in("get", "secrets", "-o", "jsonpath={.items[*].metadata}")
	if !strings.Contains(texts["an object"], "managedFields") || !strings.Contains(texts["an object"], "kind: Event") {
		b.Error("the objects were not looked at")
	}
	for where, text := range texts {
		for what, word := range words {
			if strings.Contains(text, word) {
				b.Errorf("%s is in %s", what, where)
			}
		}
	}
}

func body(b *bench, url string) string {
	b.Helper()
	r, err := http.Get(url)
	b.must(err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	b.must(err)
	return string(text)
}

func TestAPasswordAndCertificatesFromSecretsAreRotatedUnderClientsAndToldNowhere(t *testing.T) {
	const listen = "127.75.1.1:9400"
	b, words := secured(t)
	r, d := b.formed(3, b.securedTopology(3), "--listen", listen)
	client := b.writes()
	r.commit(b.securedTopology(4))
	b.reaches(4, 1)
	r.commit(b.securedTopology(3))
	b.reaches(3, 1)
	t.Logf("longest time without an answer: %s", client.end())

	old, oldCerts := b.password, b.secure
	words["the new password"] = "canary-of-tomorrow"
	b.given(b.in("create", "secret", "generic", "redis", "--dry-run=client", "-o", "yaml", "--from-literal=pw=canary-of-tomorrow"))
	client = b.writes() // with the old one
	accept := func(password string, secure *tls.Config) int {
		before, beforeCerts := b.password, b.secure
		defer func() { b.password, b.secure = before, beforeCerts }()
		b.password, b.secure = password, secure
		n := 0
		for _, addr := range b.addresses() {
			if pong, err := b.ask(addr, "PING"); err == nil && pong == "PONG" {
				n++
			}
		}
		return n
	}
	begin := time.Now()
	b.eventually("all let the new password in", func() bool { b.brings(); return accept("canary-of-tomorrow", oldCerts) == 6 })
	t.Logf("every pod let the new password in after %s", time.Since(begin).Round(time.Second))
	client.end() // with connections as old as the old password
	b.eventually("none lets the old password in", func() bool { return accept(old, oldCerts) == 0 })
	b.password = "canary-of-tomorrow"
	client = b.writes()
	b.in("delete", "pod", "orders-a-0", "--wait=true") // has to log in to its master, or be logged in to
	b.reaches(3, 1)

	next := livetest.NewCertificates(b, "*.orders-nodes."+b.namespace+".svc")
	b.certified(next)
	newCerts := next.Client.Clone()
	newCerts.ServerName = oldCerts.ServerName
	b.eventually("all have the new certificates", func() bool { b.brings(); return accept(b.password, newCerts) == 6 })
	b.secure = newCerts
	t.Logf("longest time without an answer: %s", client.end())
	r.commit(b.securedTopology(4))
	b.reaches(4, 1)

	b.in("exec", "orders-b-0", "--", "sh", "-c", "kill -TERM 1") // it begins again with the copies it has
	b.eventually("its container is another", func() bool {
		return b.in("get", "pod", "orders-b-0", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") == "1"
	})
	b.eventually("every pod is ready", func() bool {
		return b.in("get", "pods", "-o", "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}") == strings.TrimSpace(strings.Repeat("True ", 8))
	})

	b.untold(words, map[string]string{
		"the daemon's log": d.log.String(), "metrics": body(b, "http://"+listen+"/metrics"), "the status": body(b, "http://"+listen+"/api/v1/status"),
		"a pod's log": b.in("logs", "-l", "slotwright/cluster=orders", "--tail=-1", "--prefix"),
		"a plan":      b.run(0, "plan", b.write(b.securedTopology(5)), "-o", "json"),
		"a process":   b.in("exec", "orders-a-0", "--", "sh", "-c", "cat /proc/*/cmdline"),
	})
}
