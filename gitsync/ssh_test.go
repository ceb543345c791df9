package gitsync

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshd is an SSH server on loopback that lets one key in and runs git.
type sshd struct {
	net.Listener
	conf *ssh.ServerConfig
	root string
	// session, if not nil, takes the place of git.
	session func(ssh.Channel)
}

// serveSSH starts a server with the given host keys; it ends with the test.
func serveSSH(t *testing.T, root string, session func(ssh.Channel), keys ...ssh.Signer) *sshd {
	t.Helper()
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sshd{Listener: l, root: root, session: session, conf: &ssh.ServerConfig{
		PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if c.User() == "git" && bytes.Equal(key.Marshal(), signer(t, 9).PublicKey().Marshal()) {
				return nil, nil
			}
			return nil, errors.New("not this key")
		},
	}}
	for _, k := range keys {
		s.conf.AddHostKey(k)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go s.serve(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return s
}

func (s *sshd) serve(conn net.Conn) {
	_, channels, requests, err := ssh.NewServerConn(conn, s.conf)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		ch, reqs, err := c.Accept()
		if err != nil {
			return
		}
		go s.run(ch, reqs)
	}
}

// run starts what the client asks for, through a shell as sshd does.
func (s *sshd) run(ch ssh.Channel, requests <-chan *ssh.Request) {
	defer ch.Close()
	for req := range requests {
		if req.Type != "exec" {
			_ = req.Reply(req.Type == "env", nil)
			continue
		}
		var exe struct{ Command string }
		_ = ssh.Unmarshal(req.Payload, &exe)
		_ = req.Reply(true, nil)
		if s.session != nil {
			s.session(ch)
			return
		}
		cmd := exec.Command("sh", "-c", exe.Command)
		cmd.Env = gitEnv(s.root)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = ch, ch, ch.Stderr()
		_ = cmd.Run()
		return
	}
}

// overSSH is the options for a server, whose host keys are known to be keys.
func (s *sshd) overSSH(t *testing.T, path string, keys ...ssh.Signer) Options {
	t.Helper()
	o := Options{URL: "ssh://git@" + s.Addr().String() + path}
	return withSSHFiles(t, o, s.Addr().String(), keys...)
}

func withSSHFiles(t *testing.T, o Options, host string, keys ...ssh.Signer) Options {
	t.Helper()
	dir := t.TempDir()
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)), "")
	if err != nil {
		t.Fatal(err)
	}
	o.Auth.SSHKeyFile = filepath.Join(dir, "key")
	writeSecret(t, o.Auth.SSHKeyFile, string(pem.EncodeToMemory(block)))
	known := "# known hosts\n"
	for _, k := range keys {
		known += knownhosts.Line([]string{host}, k.PublicKey()) + "\n"
	}
	o.Auth.KnownHostsFile = filepath.Join(dir, "known_hosts")
	write(t, o.Auth.KnownHostsFile, known)
	return o
}

func ecdsaKey(t *testing.T) ssh.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestABranchIsFollowedOverSSH(t *testing.T) {
	r := newRepo(t)
	for name, o := range sshServers(t, r) {
		t.Run(name, func(t *testing.T) {
			r.write("a.yaml", "one, by "+name)
			r.commit("first")
			s := open(t, o)
			have := mustNext(t, s, "").Revision
			r.write("a.yaml", "two")
			r.commit("second")
			if got := mustNext(t, s, have); read(t, got, "a.yaml") != "two" {
				t.Error("the change was not read")
			}
		})
	}
}

func TestAPathCannotRunCommandsOnTheServer(t *testing.T) {
	r := newRepo(t)
	odd := filepath.Join(r.root, "it's $(touch pwned) !odd; name.git")
	r.write("a.yaml", "one")
	r.commit("first")
	r.run(r.root, "clone", "-q", "--bare", r.bare, odd)
	host := signer(t, 7)
	mustNext(t, open(t, serveSSH(t, r.root, nil, host).overSSH(t, strings.ReplaceAll(odd, " ", "%20"), host)), "")
}

func TestHostKeys(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	first, second, forged := signer(t, 7), ecdsaKey(t), signer(t, 8)
	srv := serveSSH(t, r.root, nil, first, second)
	addr := srv.Addr().String()
	for name, c := range map[string]struct {
		known string
		word  string
	}{
		"known":                            {knownhosts.Line([]string{addr}, first.PublicKey()), ""},
		"known by its other algorithm":     {knownhosts.Line([]string{addr}, second.PublicKey()), ""},
		"known by a hash of its name":      {knownhosts.Line([]string{knownhosts.HashHostname(knownhosts.Normalize(addr))}, first.PublicKey()), ""},
		"changed":                          {knownhosts.Line([]string{addr}, forged.PublicKey()), "not the one in known_hosts"},
		"unknown":                          {knownhosts.Line([]string{"elsewhere:22"}, first.PublicKey()), "not in known_hosts"},
		"known on another port only":       {knownhosts.Line([]string{loopback + ":26099"}, first.PublicKey()), "not in known_hosts"},
		"revoked":                          {"@revoked * " + authorized(first) + "\n" + knownhosts.Line([]string{addr}, first.PublicKey()), "revoked"},
		"no known_hosts file":              {"", "read known_hosts"},
		"certified by a trusted authority": {"@cert-authority * " + authorized(forged), ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := srv
			if strings.HasPrefix(name, "certified") {
				srv = serveSSH(t, r.root, nil, certified(t, first, forged))
			}
			o := srv.overSSH(t, r.bare)
			write(t, o.Auth.KnownHostsFile, c.known+"\n")
			if c.known == "" {
				remove(t, o.Auth.KnownHostsFile)
			}
			if s := open(t, o); c.word == "" {
				mustNext(t, s, "")
			} else {
				refused(t, s, c.word)
			}
		})
	}
}

// certified is a host key with a certificate by an authority.
func certified(t *testing.T, key, authority ssh.Signer) ssh.Signer {
	t.Helper()
	c := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.HostCert, ValidBefore: ssh.CertTimeInfinity, ValidPrincipals: []string{loopback}}
	if err := c.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewCertSigner(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSSHKeysWithAPassphrase(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	host := signer(t, 7)
	o := serveSSH(t, r.root, nil, host).overSSH(t, r.bare, host)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)), "", []byte(canary))
	if err != nil {
		t.Fatal(err)
	}
	writeSecret(t, o.Auth.SSHKeyFile, string(pem.EncodeToMemory(block)))
	refused(t, open(t, o), "has a passphrase, and no passphrase file")
	o.Auth.SSHPassphraseFile = filepath.Join(t.TempDir(), "passphrase")
	writeSecret(t, o.Auth.SSHPassphraseFile, "wrong "+canary)
	silent(t, refused(t, open(t, o), "read the SSH key"))
	writeSecret(t, o.Auth.SSHPassphraseFile, canary)
	mustNext(t, open(t, o), "")
}

func TestASilentSSHServerIsGivenUp(t *testing.T) {
	host := signer(t, 7)
	for name, o := range map[string]func(t *testing.T) Options{
		"before its banner": func(t *testing.T) Options {
			l, err := net.Listen("tcp", loopback+":0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			addr := l.Addr().String()
			return withSSHFiles(t, Options{URL: "ssh://" + addr + "/x.git"}, addr, host)
		},
		"after the handshake": func(t *testing.T) Options {
			return serveSSH(t, "", func(ch ssh.Channel) { _, _ = io.Copy(io.Discard, ch); <-t.Context().Done() }, host).overSSH(t, "/x.git", host)
		},
		"in the list": func(t *testing.T) Options {
			return serveSSH(t, "", func(ch ssh.Channel) { _, _ = ch.Write([]byte("003f1111")); <-t.Context().Done() }, host).overSSH(t, "/x.git", host)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := o(t)
			o.Timeout = time.Second
			refused(t, open(t, o), "no end after 1s")
		})
	}
}

func TestAnSSHServerThatSendsWithoutEndIsCutOff(t *testing.T) {
	host := signer(t, 7)
	o := serveSSH(t, "", func(ch ssh.Channel) {
		e := pktline.NewEncoder(ch)
		err := e.EncodeString(someHash + " HEAD\x00shallow\n")
		for i := 0; err == nil; i++ {
			err = e.Encodef("%s refs/heads/b%d\n", someHash, i)
		}
	}, host).overSSH(t, "/x.git", host)
	o.Caps.RefBytes = mib
	refused(t, open(t, o), "cap RefBytes")
}

func TestWhatTheSSHServerSaysIsPassedOn(t *testing.T) {
	host := signer(t, 7)
	o := serveSSH(t, "", func(ch ssh.Channel) {
		_, _ = ch.Stderr().Write([]byte("ERROR: Repository not found.\n"))
		time.Sleep(100 * time.Millisecond)
	}, host).overSSH(t, "/x.git", host)
	refused(t, open(t, o), "Repository not found.")
}
