package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/net/proxy"
)

// openSSH runs git-upload-pack on the server. The connection is closed when
// the context ends, in the handshake, too: a server that takes the connection
// and says nothing would otherwise hang go-git, and with it a daemon, for
// ever (fluxcd/source-controller#1154).
func (l line) openSSH(ctx context.Context) (session, error) {
	addr := l.sshAddr()
	conf, err := l.sshConfig(addr)
	if err != nil {
		return nil, err
	}
	raw, err := l.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	unhook := context.AfterFunc(ctx, func() { _ = raw.Close() })
	end := func() error { unhook(); return raw.Close() }
	s, err := l.uploadPackOver(raw, addr, conf, end)
	if err != nil {
		_ = end()
		return nil, err
	}
	return s, nil
}

func (l line) sshAddr() string {
	u := url.URL{Host: l.to.host}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "22")
	}
	return net.JoinHostPort(u.Hostname(), u.Port())
}

func (l line) uploadPackOver(raw net.Conn, addr string, conf *ssh.ClientConfig, end func() error) (session, error) {
	conn, channels, requests, err := ssh.NewClientConn(raw, addr, conf)
	if err != nil {
		return nil, sshError(addr, err)
	}
	remote, err := ssh.NewClient(conn, channels, requests).NewSession()
	if err != nil {
		return nil, fmt.Errorf("ssh to %s: %w", addr, err)
	}
	stderr := &tail{}
	remote.Stderr = stderr
	in, err := remote.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := remote.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := remote.Start("git-upload-pack " + shellQuote(l.to.path)); err != nil {
		return nil, fmt.Errorf("ssh to %s: start git-upload-pack: %w", addr, err)
	}
	return &pipe{in: in, out: out, stderr: stderr, end: end}, nil
}

// shellQuote makes one word of s for the server's shell, as git does it.
func shellQuote(s string) string {
	return "'" + strings.NewReplacer(`'`, `'\''`, `!`, `'\!'`).Replace(s) + "'"
}

// sshError says what a failed check of the host key means and lifts it.
func sshError(addr string, err error) error {
	switch {
	case knownhosts.IsHostKeyChanged(err):
		return fmt.Errorf("ssh to %s: the server's host key is not the one in known_hosts: another server answers, or its key was replaced: %w", addr, err)
	case knownhosts.IsHostUnknown(err):
		return fmt.Errorf("ssh to %s: the host is not in known_hosts: add its key, checked with whoever runs it: %w", addr, err)
	}
	return fmt.Errorf("ssh to %s: %w", addr, err)
}

func (l line) sshConfig(addr string) (*ssh.ClientConfig, error) {
	key, err := l.sshKey()
	if err != nil {
		return nil, err
	}
	files, err := knownHostsFiles(l.auth.KnownHostsFile)
	if err != nil {
		return nil, err
	}
	known, err := knownhosts.NewDB(files...)
	if err != nil {
		return nil, fmt.Errorf("read known_hosts: %w", err)
	}
	return &ssh.ClientConfig{
		User:            l.username(),
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: known.HostKeyCallback(),
		// Only those of this host: a server offers the key we ask for, and
		// one of another algorithm would be taken for a forgery.
		HostKeyAlgorithms: known.HostKeyAlgorithms(addr),
	}, nil
}

func (l line) sshKey() (ssh.Signer, error) {
	pem, err := readCapped(l.auth.SSHKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the SSH key: %w", err)
	}
	if l.auth.SSHPassphraseFile == "" {
		key, err := ssh.ParsePrivateKey(pem)
		var locked *ssh.PassphraseMissingError
		if errors.As(err, &locked) {
			return nil, fmt.Errorf("read the SSH key: %s has a passphrase, and no passphrase file is given", l.auth.SSHKeyFile)
		}
		if err != nil {
			return nil, fmt.Errorf("read the SSH key: %s: %w", l.auth.SSHKeyFile, err)
		}
		return key, nil
	}
	passphrase, err := secret("SSH passphrase", l.auth.SSHPassphraseFile)
	if err != nil {
		return nil, err
	}
	l.mask.hide(passphrase)
	key, err := ssh.ParsePrivateKeyWithPassphrase(pem, []byte(passphrase))
	if err != nil {
		return nil, fmt.Errorf("read the SSH key: %s: %w", l.auth.SSHKeyFile, err)
	}
	return key, nil
}

// knownHostsFiles is the file given, or those of OpenSSH's that exist.
func knownHostsFiles(given string) ([]string, error) {
	if given != "" {
		return []string{given}, nil
	}
	candidates := []string{"/etc/ssh/ssh_known_hosts"}
	if home, err := os.UserHomeDir(); err == nil {
		candidates = append(candidates, filepath.Join(home, ".ssh", "known_hosts"))
	}
	var files []string
	for _, f := range candidates {
		if _, err := os.Stat(f); !errors.Is(err, fs.ErrNotExist) {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no known_hosts file: without the server's host key there is no knowing who answers")
	}
	return files, nil
}

// dial connects, through a proxy if one is set, and puts the meter on the
// connection.
func (l line) dial(ctx context.Context, addr string) (net.Conn, error) {
	via, err := l.dialer()
	if err != nil {
		return nil, err
	}
	conn, err := via.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return meteredConn{conn, l.meter}, nil
}

// dialer connects directly, through the proxy that was set, or through the
// one in the environment.
func (l line) dialer() (proxy.ContextDialer, error) {
	direct := &net.Dialer{}
	set, err := l.proxyURL()
	if err != nil {
		return nil, err
	}
	via := proxy.FromEnvironmentUsing(direct)
	if set != nil {
		if via, err = proxy.FromURL(set, direct); err != nil {
			return nil, fmt.Errorf("only a socks5 proxy carries SSH: %w", err)
		}
	}
	withContext, ok := via.(proxy.ContextDialer)
	if !ok {
		return nil, errors.New("the proxy can't be dialled with a deadline")
	}
	return withContext, nil
}

// meteredConn counts what a connection receives.
type meteredConn struct {
	net.Conn
	meter *meter
}

func (c meteredConn) Read(p []byte) (int, error) {
	return meteredReader{io.Reader(c.Conn), c.meter}.Read(p)
}
