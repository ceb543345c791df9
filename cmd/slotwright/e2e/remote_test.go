//go:build e2e

package e2e

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// The git servers are git's own, behind HTTPS (git http-backend) and OpenSSH's
// server.

// canary begins every secret of these tests.
const canary = "canary-"

// over serves the repository and returns its URL and the flags it takes to read
// it there.
func (r *repo) over(b *bench, transport string) (url string, flags []string) {
	r.t.Helper()
	if transport == "ssh" {
		return r.overSSH(b)
	}
	url, ca := r.serve(b, canary+"git")
	return url, []string{"--git-ca-file", ca, "--git-password-file", b.secret("git", canary+"git")}
}

// overSSH serves everything this user may read to one key, which has a
// passphrase. The server ends with the test.
func (r *repo) overSSH(b *bench) (url string, flags []string) {
	r.t.Helper()
	host, key := b.sshKey("host", ""), b.sshKey("key", canary+"passphrase")
	b.secret("authorized", string(ssh.MarshalAuthorizedKey(key)))
	address := b.sshd(host)
	known := b.secret("known_hosts", knownhosts.Line([]string{address}, host))
	me, err := user.Current()
	if err != nil {
		r.t.Fatal(err)
	}
	dir := filepath.Dir(known)
	return "ssh://" + me.Username + "@" + address + r.bare, []string{
		"--ssh-key-file", filepath.Join(dir, "key"), "--known-hosts-file", known,
		"--ssh-passphrase-file", b.secret("passphrase", canary+"passphrase"),
	}
}

// sshKey writes a private key, and returns its public half.
func (b *bench) sshKey(name, passphrase string) ssh.PublicKey {
	b.t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.secret(name, string(pem.EncodeToMemory(block)))
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		b.t.Fatal(err)
	}
	return signer.PublicKey()
}

// sshd starts OpenSSH's server on loopback.
func (b *bench) sshd(host ssh.PublicKey) (address string) {
	b.t.Helper()
	if os.Geteuid() == 0 {
		// Started by root, it wants this directory to exist.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	address = l.Addr().String()
	_ = l.Close() // for the server to take
	dir := filepath.Join(b.dir, "secrets")
	conf := b.secret("sshd_config", fmt.Sprintf(
		"ListenAddress %s\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nPidFile none\nMaxStartups 100\n"+
			"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n", address, dir, dir))
	cmd := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", conf)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		b.t.Fatalf("start OpenSSH's server: %v", err)
	}
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // "signal: killed" is what was asked for
		if b.t.Failed() {
			b.t.Logf("sshd said:\n%s", &said)
		}
	})
	b.until("sshd listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return address
}

// One of two daemons dies in the middle of a drain, and the one that stood by
// finishes it.
func TestAStandbyTakesOverInTheMiddleOfADrain(t *testing.T) {
	const keys = 300_000
	b := newBench(t, livetest.Options{Servers: 4})
	r := newRepo(b)
	file := func(n int) map[string]string {
		return map[string]string{"orders.yaml": b.text(shape{masters: n, nodes: first(n)})}
	}
	a := b.follow("file://" + r.bare)
	a.reaches(r.commit("four", file(4)), 4)
	b.fleet.Write(t, keys, 64)
	s := b.follow("file://" + r.bare)
	s.until("it stands by", time.Minute, func() bool { return s.tells().Standby != "" })
	traffic := b.fleet.Traffic(2, time.Millisecond)
	shrink := r.commit("three", file(3))
	a.moving()
	if s.tells().Standby == "" {
		t.Error("both act")
	}
	a.kill()
	s.reaches(shrink, 3)
	kept(t, traffic.Stop())
	b.fleet.Read(t, keys, 64)
	s.stop()
}
