//go:build e2e

package e2e

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// parrot is a git server over TLS that answers everything with what it was sent,
// and returns its URL and the file of its certificate.
func parrot(b *bench) (url, ca string) {
	b.t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "%v %s", r.Header, r.URL)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	b.t.Cleanup(s.Close)
	ca = b.secret("parrot.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return s.URL + "/topology.git", ca
}

// heart is a line out of the middle of a key in PEM, which nothing else holds.
func heart(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)/2]
}

// Every credential a daemon can be given is given, to servers that refuse it, read
// it wrongly or send it back: it is in nothing that the daemon writes or serves.
func TestNoCredentialOfAnyKindShowsUp(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 1})
	certs := livetest.NewCertificates(t, "127.0.0.1")
	url, ca := parrot(b)
	b.sshKey("key", canary+"passphrase")
	key := filepath.Join(b.dir, "secrets", "key")
	address := b.sshd(b.sshKey("host", ""))
	known := b.secret("known_hosts", "")
	over := "ssh://nobody@" + address + "/x.git"
	for name, c := range map[string]struct {
		source  string
		flags   []string
		secrets []string // what must not show up, beside the canary
	}{
		"a password that is sent back": {url, []string{"--git-ca-file", ca, "--git-password-file", b.secret("password", canary+"p/+= w")}, nil},
		"a token that is sent back":    {url, []string{"--git-ca-file", ca, "--git-token-file", b.secret("token", canary+"token")}, nil},
		"a token that is no header":    {url, []string{"--git-ca-file", ca, "--git-token-file", b.secret("odd", canary+"tok\x01en")}, nil},
		"a token in two lines":         {url, []string{"--git-ca-file", ca, "--git-token-file", b.secret("lines", canary+"a\n"+canary+"b")}, nil},
		"a client certificate":         {url, []string{"--git-ca-file", ca, "--git-cert-file", certs.Cert, "--git-key-file", certs.Key}, []string{heart(t, certs.Key)}},
		"a key for its certificate":    {url, []string{"--git-ca-file", ca, "--git-cert-file", certs.Key, "--git-key-file", certs.Cert}, []string{heart(t, certs.Key)}},
		"a proxy with a password":      {url, []string{"--git-ca-file", ca, "--proxy", "http://ann:" + canary + "proxy@127.0.0.1:1"}, nil},
		"a key for a passphrase": {over, []string{"--ssh-key-file", key, "--known-hosts-file", known,
			"--ssh-passphrase-file", b.secret("wrong", canary+"wrong")}, []string{heart(t, key)}},
		"a key that no server takes": {over, []string{"--ssh-key-file", key, "--known-hosts-file", known,
			"--ssh-passphrase-file", b.secret("passphrase", canary+"passphrase")}, []string{heart(t, key)}},
		"a password for a key": {over, []string{"--ssh-key-file", b.secret("nokey", canary+"nokey"), "--known-hosts-file", known}, nil},
		"a key for known hosts": {over, []string{"--ssh-key-file", key, "--known-hosts-file", key,
			"--ssh-passphrase-file", filepath.Join(b.dir, "secrets", "passphrase")}, []string{heart(t, key)}},
		"a key for allowed signers": {"file://" + b.dir + "/nothing.git", []string{"--allowed-signers-file", key}, []string{heart(t, key)}},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.on(t)
			d := b.follow(c.source, append(c.flags, "--hook-secret-file", b.secret("hook", canary+"hook-of-16-or-more"))...)
			d.until("it tells why", time.Minute, func() bool { return d.tells().Source.Error != "" })
			for _, secret := range append(c.secrets, canary) {
				if got := d.leaks(secret); len(got) > 0 {
					t.Errorf("%q is in %v\n%s", secret, got, d.words())
				}
			}
			d.stop()
		})
	}
}

// What servers are logged in to with, and shown, is in no plan, no plan file, no
// status and no log of any verb.
func TestNoCredentialOfServersShowsUp(t *testing.T) {
	const host = "127.62.0.9"
	certs := livetest.NewCertificates(t, host)
	b := newBench(t, livetest.Options{Servers: 3, Host: host, TLS: certs, Username: "ann", Password: canary + "servers"})
	b.secret("pw", canary+"servers")
	more := fmt.Sprintf("  tls: {caFile: %q, certFile: %q, keyFile: %q}\n  auth: {username: ann, password: {file: secrets/pw}}\n", certs.CA, certs.Cert, certs.Key)
	file := b.write("orders.yaml", shape{masters: 3, nodes: first(3), more: more})
	saved := filepath.Join(b.dir, "orders.plan")
	for _, words := range [][]string{
		{"plan", file, "--out", saved}, {"plan", file, "-o", "json"}, {"plan", file, "-o", "markdown"},
		{"apply", saved, "-o", "json"}, {"status", file}, {"status", file, "-o", "json"}, {"run", "--source", file, "--once"}, {"run", "--source", b.dir, "--once"},
	} {
		o := b.run(words...)
		for _, secret := range []string{canary, heart(t, certs.Key)} {
			if strings.Contains(o.String(), secret) {
				t.Errorf("slotwright %s prints a secret: %v", strings.Join(words, " "), o)
			}
		}
	}
	text, err := os.ReadFile(saved)
	if err != nil || strings.Contains(string(text), canary) || strings.Contains(string(text), heart(t, certs.Key)) {
		t.Errorf("the plan file holds a secret, or is none: %v", err)
	}
	b.settled(file)
}
