// Package livetest starts real servers for tests and looks at them the way an
// application and redis-cli do. Tests decide with it whether the product is
// right, so it uses nothing of the product but the arithmetic of slots.
//
// The servers are those on PATH, or of the engine that SLOTWRIGHT_ENGINE names
// (one of the directories that `make engines` makes). They end with the test,
// also when it panics.
package livetest

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Options say what to start. The zero value is one server in cluster mode.
type Options struct {
	Servers int               // default 1
	Config  map[string]string // directives, written as they are
	// Host is a loopback address; default: one that no other test process uses.
	Host string
	Port int // the first port; default: the first free one. The bus is 10000 above
	// Password protects every server; Username, where it is not empty, is the
	// only user who gets in.
	Username, Password string
	TLS                *Certificates // nil: plain text
	// Engines are the engines of the servers, in their order, each a directory
	// with bin/; where none is given it is SLOTWRIGHT_ENGINE, else the first on
	// PATH.
	Engines []string
}

// Fleet is some servers in cluster mode. They know nothing of each other until
// somebody makes them meet.
type Fleet struct {
	Servers []*Server
	opts    Options
	t       testing.TB
	traffic int // how often clients were started
}

// Server is one server of a fleet, running or not.
type Server struct {
	Name string // n0, n1, ...
	Addr string // host:port
	Dir  string // its configuration, log and data
	// Engine may be changed while the server is down; see Options.Engines.
	Engine string
	cmd    *exec.Cmd
}

// startWait is how long a server may take to answer PING.
const startWait = 20 * time.Second

// Start starts the servers and waits until each answers. They and their data
// are gone when the test ends; after a failed test the ends of their logs are
// in its output.
func Start(t testing.TB, opts Options) *Fleet {
	t.Helper()
	opts.Servers = cmp.Or(opts.Servers, 1)
	opts.Host = cmp.Or(opts.Host, ownHost())
	f := &Fleet{opts: opts, t: t}
	port := cmp.Or(opts.Port, 20000)
	dir := t.TempDir() // before stop is registered: it is removed after
	t.Cleanup(f.stop)
	for i := range opts.Servers {
		if opts.Port == 0 {
			port = freePort(t, opts.Host, port)
		}
		s := &Server{
			Name: fmt.Sprintf("n%d", i),
			Addr: net.JoinHostPort(opts.Host, fmt.Sprint(port)),
			Dir:  filepath.Join(dir, fmt.Sprint(i)),
		}
		if i < len(opts.Engines) {
			s.Engine = opts.Engines[i]
		}
		f.Servers = append(f.Servers, s)
		f.launch(s)
		port++
	}
	for _, s := range f.Servers {
		f.waitUp(s)
	}
	return f
}

// ownHost is a loopback address that belongs to this process: tests of several
// packages run at once.
func ownHost() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 64+pid>>16&63, pid>>8&255, 1+pid&127)
}

// freePort is the first port from first on that is free with its bus port.
func freePort(t testing.TB, host string, first int) int {
	for port := first; port < 40000; port++ {
		if canListen(host, port) && canListen(host, port+10000) {
			return port
		}
	}
	t.Fatalf("no free port on %s", host)
	return 0
}

func canListen(host string, port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// Addrs are the addresses of all servers, in their order.
func (f *Fleet) Addrs() []string {
	var addrs []string
	for _, s := range f.Servers {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

// launch starts the process of s with the data it has.
func (f *Fleet) launch(s *Server) {
	f.t.Helper()
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	conf := filepath.Join(s.Dir, "redis.conf")
	if err := os.WriteFile(conf, []byte(f.conf(s)), 0o600); err != nil {
		f.t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(programOf(cmp.Or(s.Engine, os.Getenv("SLOTWRIGHT_ENGINE")), "server"), conf)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.Dir, log, log
	s.cmd.SysProcAttr = dieWithParent
	if err := s.cmd.Start(); err != nil {
		f.t.Fatalf("start %s: %v", s.Name, err)
	}
}

func (f *Fleet) conf(s *Server) string {
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		f.t.Fatal(err)
	}
	lines := []string{
		// Without a source address the bus would speak from 127.0.0.1, and the
		// others would take that for this server's address.
		"bind " + host, "bind-source-addr " + host, "dir " + s.Dir, "cluster-enabled yes", "cluster-config-file nodes.conf",
		// With appendfsync everysec a server on a busy disk keeps what it has
		// acknowledged in its own memory for up to 2 s (flushAppendOnlyFile), and
		// loses it when it is killed. With no it hands it to the kernel first.
		"appendonly yes", "appendfsync no", "protected-mode no", `save ""`, "repl-diskless-sync-delay 0", "cluster-node-timeout 2000",
	}
	if f.opts.TLS == nil {
		lines = append(lines, "port "+port)
	} else {
		lines = append(lines, "port 0", "tls-port "+port, "tls-cluster yes", "tls-replication yes",
			"tls-ca-cert-file "+f.opts.TLS.CA, "tls-cert-file "+f.opts.TLS.Cert, "tls-key-file "+f.opts.TLS.Key)
	}
	switch {
	case f.opts.Username != "":
		lines = append(lines, "masteruser "+f.opts.Username, "masterauth "+f.opts.Password,
			"user "+f.opts.Username+" on >"+f.opts.Password+" ~* &* +@all", "user default off")
	case f.opts.Password != "":
		lines = append(lines, "masterauth "+f.opts.Password, "requirepass "+f.opts.Password)
	}
	for _, name := range slices.Sorted(maps.Keys(f.opts.Config)) {
		lines = append(lines, name+" "+f.opts.Config[name])
	}
	return strings.Join(lines, "\n") + "\n"
}

// Client is a connection to one server, closed when the test ends.
func (f *Fleet) Client(s *Server) *redis.Client {
	c := redis.NewClient(&redis.Options{
		Addr: s.Addr, Username: f.opts.Username, Password: f.opts.Password, TLSConfig: f.clientTLS(),
		Protocol: 2, MaxRetries: -1, ContextTimeoutEnabled: true,
	})
	f.t.Cleanup(func() { _ = c.Close() }) // double closing is all that can go wrong
	return c
}

// Cluster is a client as an application has one, closed when the test ends. It
// is told the members of now: a blank server would answer it with an empty map.
func (f *Fleet) Cluster() *redis.ClusterClient {
	c := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: f.members(), Username: f.opts.Username, Password: f.opts.Password, TLSConfig: f.clientTLS(),
		Protocol: 2, MaxRedirects: 16, ContextTimeoutEnabled: true,
	})
	f.t.Cleanup(func() { _ = c.Close() }) // as above
	return c
}

func (f *Fleet) clientTLS() *tls.Config {
	if f.opts.TLS == nil {
		return nil
	}
	return f.opts.TLS.Client
}

func (f *Fleet) waitUp(s *Server) {
	f.t.Helper()
	c := f.Client(s)
	defer c.Close()
	var err error
	if !Eventually(startWait, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err = c.Ping(ctx).Err()
		return err == nil
	}) {
		f.t.Fatalf("%s at %s does not answer: %v\n%s", s.Name, s.Addr, err, s.tail())
	}
}

// Eventually asks every 20 ms until the answer is yes, and reports whether it
// was before the patience ran out.
func Eventually(patience time.Duration, yes func() bool) bool {
	for deadline := time.Now().Add(patience); ; {
		if yes() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (f *Fleet) stop() {
	for _, s := range f.Servers {
		s.kill()
		if f.t.Failed() {
			f.t.Logf("log of %s at %s:\n%s", s.Name, s.Addr, s.tail())
		}
	}
}

// tail is the end of a server's log.
func (s *Server) tail() string {
	const most = 2000
	text, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
