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
	"slices"
	"strings"
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

// A cluster lives its life by commits to a git server: it is created, grown, gets
// another server for one of its own, is shrunk, and a shrink is taken back in
// its middle. What is pushed by mistake in between changes nothing, and a
// history that was rewritten is followed. Status tells at every moment which
// revision was seen, which is good, and which one the cluster is held to.
func TestAClusterLivesByCommitsToAGitServer(t *testing.T) {
	for _, transport := range []string{"https", "ssh"} {
		t.Run(transport, func(t *testing.T) {
			const keys = 100_000
			b := newBench(t, livetest.Options{Servers: 5})
			r := newRepo(b)
			text := func(nodes ...int) map[string]string {
				return map[string]string{"prod/orders.yaml": b.text(shape{masters: len(nodes), nodes: nodes})}
			}
			url, flags := r.over(b, transport)
			create := r.commit("create", text(0, 1, 2))
			d := b.follow(url, append(flags, "--branch", "main", "--path", "prod")...)
			d.reaches(create, 3)
			b.fleet.Write(t, keys, 64)
			traffic := b.fleet.Traffic(2, 2*time.Millisecond)

			d.reaches(r.commit("grow", text(0, 1, 2, 3)), 4)
			d.reaches(r.commit("n4 for n2", text(0, 1, 4, 3)), 4)
			if got := b.masters(0); !slices.Equal(got, []string{"n0", "n1", "n3", "n4"}) {
				t.Fatalf("the masters are %v", got)
			}
			good := r.commit("shrink", text(0, 1, 4))
			d.reaches(good, 3)

			r.commit("shrink more", shrunk(b, 0, 1))
			d.moving()
			good = r.revert()
			d.reaches(good, 3)
			kept(t, traffic.Stop()) // the servers are compared from here on

			d.mishaps(r, good, b.text(shape{masters: 4, nodes: []int{0, 1, 4, 3}}))
			r.git("checkout", "-q", "--orphan", "rewritten")
			d.reaches(r.commit("another history", text(0, 1, 4, 3)), 4)
			if got := d.leaks(canary); len(got) > 0 {
				t.Errorf("a secret is in %v", got)
			}
			b.fleet.Read(t, keys, 64)
			d.stop()
		})
	}
}

// shrunk is a topology of less than three masters, with the permission it needs.
func shrunk(b *bench, nodes ...int) map[string]string {
	more := fmt.Sprintf("  allow: {shrinkTo: %d}\n", len(nodes))
	return map[string]string{"prod/orders.yaml": b.text(shape{masters: len(nodes), nodes: nodes, more: more})}
}

// revert takes the last commit back by another one.
func (r *repo) revert() string {
	r.t.Helper()
	r.git("revert", "--no-edit", "HEAD")
	return r.push()
}

// mishaps pushes what must not change anything, and demands that status tells of
// each, and of the revision that counts all the same.
func (d *daemon) mishaps(r *repo, good, other string) {
	d.b.t.Helper()
	kept := func(now told, words ...string) bool {
		all := now.Source.Error + "\n" + strings.Join(now.Source.Mistakes, "\n")
		for _, w := range words {
			if !strings.Contains(all, w) {
				return false
			}
		}
		return len(now.Clusters) == 1 && now.Clusters[0].Revision == good && now.Clusters[0].InSync != nil && *now.Clusters[0].InSync
	}
	for what, c := range map[string]struct {
		files map[string]string
		words []string
	}{
		"a typo":           {map[string]string{"prod/orders.yaml": strings.Replace(other, "masters:", "mastres:", 1)}, []string{"prod/orders.yaml:6", "mastres"}},
		"an empty file":    {map[string]string{"prod/orders.yaml": ""}, []string{"prod/orders.yaml", "empty"}},
		"a deleted folder": {map[string]string{"orders.yaml": other}, []string{"folder prod is not in the commit"}},
	} {
		d.stays(what, func() { r.commit(what, c.files) }, func(now told) bool { return kept(now, c.words...) })
	}
	d.stays("a deleted branch", func() { r.run(r.bare, "update-ref", "-d", "refs/heads/main") },
		func(now told) bool { return kept(now, "branch main: not on the server") })
	d.stays("the only file deleted", func() { r.commit("nothing", map[string]string{"prod/README.md": "nothing here"}) }, func(now told) bool {
		return len(now.Clusters) == 0 && len(now.Orphans) == 1 && strings.Contains(strings.Join(now.Source.Mistakes, "\n"), "no .yaml or .yml file")
	})
	r.git("push", "-q", "-f", "origin", strings.TrimPrefix(good, "main@sha1:")+":refs/heads/main")
	d.until("the branch is back", time.Minute, func() bool {
		now := d.tells()
		return kept(now) && now.Source.Revision == good && now.Source.GoodRevision == good && now.Source.Error == "" && len(now.Source.Mistakes) == 0
	})
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
