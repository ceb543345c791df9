package gitsync

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// repo is a bare repository made by the real git, with a work tree beside it.
type repo struct {
	t          *testing.T
	root       string // holds every repository of the test
	bare, work string
}

func newRepo(t *testing.T) *repo {
	t.Helper()
	root := t.TempDir()
	r := &repo{t: t, root: root, bare: filepath.Join(root, "topology.git"), work: filepath.Join(root, "work")}
	r.run(root, "init", "-q", "--bare", "-b", "main", r.bare)
	r.run(root, "init", "-q", "-b", "main", r.work)
	r.git("remote", "add", "origin", r.bare)
	return r
}

// git runs git in the work tree and returns what it prints.
func (r *repo) git(args ...string) string {
	r.t.Helper()
	return r.run(r.work, args...)
}

func (r *repo) run(dir string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = gitEnv(r.root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// gitEnv keeps the machine's own git configuration out of the tests.
func gitEnv(home string) []string {
	return append(withoutGit(os.Environ()), "HOME="+home, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com")
}

// write puts a file into the work tree.
func (r *repo) write(name, content string) {
	r.t.Helper()
	write(r.t, filepath.Join(r.work, name), content)
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// commit commits everything, pushes the branch, and returns the hash.
func (r *repo) commit(message string) string {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
	r.push()
	return r.git("rev-parse", "HEAD")
}

func (r *repo) push() { r.t.Helper(); r.git("push", "-q", "-f", "origin", "HEAD") }

// loopback is the address of this package's servers.
const loopback = "127.26.0.1"

// server is git's own smart HTTP server on loopback.
type server struct {
	*httptest.Server
	hits atomic.Int64
	sent atomic.Int64 // packs asked for
	auth atomic.Value // the last Authorization header, a string
}

// serve starts a server, with TLS if conf is not nil; before, if not nil, sees every request first and
// reports whether it has answered it.
func (r *repo) serve(conf *tls.Config, before func(http.ResponseWriter, *http.Request) bool) *server {
	r.t.Helper()
	backend := &cgi.Handler{
		Path: filepath.Join(r.git("--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + r.root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + r.root},
	}
	s := &server{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.hits.Add(1)
		if req.Method == http.MethodPost {
			s.sent.Add(1)
		}
		s.auth.Store(req.Header.Get("Authorization"))
		if before == nil || !before(w, req) {
			backend.ServeHTTP(w, req)
		}
	})
	s.Server = listen(r.t, handler, conf)
	return s
}

// listen starts an HTTP server on loopback; it ends with the test.
func listen(t *testing.T, h http.Handler, conf *tls.Config) *httptest.Server {
	t.Helper()
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	s.Listener = l
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what the tests are about
	if conf != nil {
		s.TLS = conf
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// open makes a source that is closed with the test.
func open(t *testing.T, o Options) Source {
	t.Helper()
	if o.Interval == 0 {
		o.Interval = 20 * time.Millisecond
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	o.TempDir = t.TempDir()
	s, err := Clone(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		leftOver(t, o.TempDir)
	})
	return s
}

// leftOver fails when something is left in a directory.
func leftOver(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("left in the temporary directory: %v %v", entries, err)
	}
}

// next takes one snapshot within a generous deadline.
func next(t *testing.T, s Source, have string) (Snapshot, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	snap, err := s.Next(ctx, have)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		t.Fatal("no snapshot and no error in time")
	}
	return snap, err
}

func mustNext(t *testing.T, s Source, have string) Snapshot {
	t.Helper()
	snap, err := next(t, s, have)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// refused takes one attempt, which must fail with all of the words.
func refused(t *testing.T, s Source, words ...string) error {
	t.Helper()
	snap, err := next(t, s, "")
	if err == nil {
		t.Fatalf("got %s, want an error with %q", snap.Revision, words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	return err
}

// list is the names in a snapshot, sorted, with a space between them.
func list(t *testing.T, s Snapshot) string {
	t.Helper()
	var names []string
	err := fs.WalkDir(s.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func read(t *testing.T, s Snapshot, name string) string {
	t.Helper()
	b, err := fs.ReadFile(s.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// object writes an object into the bare repository without a look at what it
// says, and returns its hash.
func (r *repo) object(kind string, content []byte) string {
	r.t.Helper()
	cmd := exec.Command("git", "hash-object", "-t", kind, "-w", "--stdin", "--literally")
	cmd.Dir = r.bare
	cmd.Env = gitEnv(r.root)
	cmd.Stdin = bytes.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git hash-object: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// entry is one line of a tree object.
type entry struct{ mode, name, hash string }

// tree writes a tree object with any names at all.
func (r *repo) tree(entries ...entry) string {
	r.t.Helper()
	var b bytes.Buffer
	for _, e := range entries {
		raw, err := hex.DecodeString(e.hash)
		if err != nil {
			r.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\x00%s", e.mode, e.name, raw)
	}
	return r.object("tree", b.Bytes())
}

// headers begin a commit of a tree.
func headers(tree string) string {
	return "tree " + tree + "\nauthor a <a@example.com> 1700000000 +0000\ncommitter c <c@example.com> 1700000000 +0000\n"
}

// point makes the branch main a commit of the tree.
func (r *repo) point(tree string) string {
	r.t.Helper()
	return r.pointTo([]byte(headers(tree) + "\nmade by hand\n"))
}

// pointTo makes the branch main a commit with this raw content.
func (r *repo) pointTo(raw []byte) string {
	r.t.Helper()
	h := r.object("commit", raw)
	r.run(r.bare, "update-ref", "refs/heads/main", h)
	return h
}

// encrypted is the TLS of a server with a certificate of its own.
func encrypted(t *testing.T) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
}

// certificate is one that signs itself, for the address of the servers.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(loopback)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}
