package gitsync

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
)

// openSSH starts OpenSSH's own server, if it is installed, with the host key
// of seed 7 and the user key of seed 9. It ends with the test.
func openSSH(t *testing.T) (addr string, installed bool) {
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		return "", false
	}
	if os.Geteuid() == 0 {
		// Started by root, it wants this directory to exist.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir, port := t.TempDir(), freePort(t)
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)), "")
	if err != nil {
		t.Fatal(err)
	}
	writeSecret(t, filepath.Join(dir, "host"), string(pem.EncodeToMemory(block)))
	writeSecret(t, filepath.Join(dir, "authorized"), authorized(signer(t, 9)))
	writeSecret(t, filepath.Join(dir, "config"), fmt.Sprintf(
		"ListenAddress %s:%d\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nPidFile none\n"+
			"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n",
		loopback, port, dir, dir))
	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(dir, "config"))
	log := &tail{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	addr = fmt.Sprintf("%s:%d", loopback, port)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return addr, true
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not listen: %s", log)
		}
	}
}

// freePort is a port of this package's range that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	for port := 26000; port < 26100; port++ {
		if l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", loopback, port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// sshServers is every kind of SSH server there is here: our own always,
// OpenSSH's where it is installed.
func sshServers(t *testing.T, r *repo) map[string]Options {
	t.Helper()
	host := signer(t, 7)
	all := map[string]Options{"our own": serveSSH(t, r.root, nil, host).overSSH(t, r.bare, host)}
	addr, installed := openSSH(t)
	if !installed {
		t.Log("OpenSSH's server is not installed: only our own is tested")
		return all
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	all["OpenSSH"] = withSSHFiles(t, Options{URL: "ssh://" + me.Username + "@" + addr + r.bare}, addr, host)
	return all
}
