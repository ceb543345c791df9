//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// patience bounds a run against servers that never answer: a look costs each
// its own deadline once, however many there are.
const patience = time.Minute

// withNode is a file for n masters: the first n-1 servers and one more node at
// addr, called odd.
func (b *bench) withNode(n int, addr string) string {
	b.t.Helper()
	file := b.write("odd.yaml", shape{masters: n, nodes: first(n - 1)})
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "        - {name: odd, address: %q}\n", addr); err != nil {
		b.t.Fatal(err)
	}
	return file
}

// shunned demands that nodes are waited for and named with a word for what is
// wrong with them, in bounded time.
func (b *bench) shunned(file, word string, nodes ...string) {
	b.t.Helper()
	begin := time.Now()
	p := b.plan(file)
	o := b.must(3, "apply", file, "--auto-approve", "--timeout", "1s")
	b.must(3, "plan", file, "--detailed-exitcode")
	for _, node := range nodes {
		h := p.holdAt("NodeSilent", node)
		if h.Why != "Wait" {
			b.t.Errorf("nothing waits for %s: %+v, steps %+v", node, p.Holds, p.Steps)
		}
		mentions(b.t, h.Text, node, word)
		mentions(b.t, o.stdout, node+" does not answer", word)
	}
	if strings.Contains(o.String(), "\x1b") {
		b.t.Errorf("what it answers gets to the terminal: %q", o)
	}
	if took := time.Since(begin); took > patience {
		b.t.Errorf("three runs took %s", took)
	}
}

func (p plan) holdAt(code, node string) hold {
	for _, h := range p.Holds {
		if h.Code == code && h.Node == node {
			return h
		}
	}
	return hold{}
}

// impostor listens and does to every connection what it is told to.
func impostor(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); serve(conn) }()
		}
	}()
	return l.Addr().String()
}

// says answers whatever arrives with the same text.
func says(text string) func(net.Conn) {
	return func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
	}
}

// hangs takes everything and never answers.
func hangs(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// Whatever stands at the address of a listed node instead of a server: it is
// named, waited for in bounded time, and the cluster is left as it is.
func TestWhateverAnswersInsteadOfAServerIsNamedAndChangesNothing(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 3})
	b.apply(b.write("create.yaml", shape{masters: 3, nodes: first(3)}))
	b.fleet.Write(t, 500, 32)
	certs := livetest.NewCertificates(t, "127.0.0.1")
	web := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = web.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = web.Close() })

	for _, c := range []struct{ name, addr, word string }{
		{"garbage", impostor(t, says("\x00\xff\x1b[2J rubbish\r\n")), "not RESP"},
		{"a reply without an end", impostor(t, says("$536870912\r\nx")), "not RESP"},
		{"an answer of another kind", impostor(t, says("+OK\r\n")), "parse"},
		{"a server that hangs", impostor(t, hangs), "timed out"},
		{"one that closes at once", impostor(t, func(net.Conn) {}), "hangs up"},
		{"a web server", l.Addr().String(), "not RESP"},
		{"a TLS server", impostor(t, func(c net.Conn) { _ = tls.Server(c, serving(certs)).Handshake() }), "TLS"},
		{"nobody", unused(t), "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := b.on(t)
			b.untouched(first(3), func() { b.shunned(b.withNode(4, c.addr), c.word, "odd") })
		})
	}
	b.fleet.Pause(2)
	t.Run("a suspended member", func(t *testing.T) {
		b := b.on(t)
		b.untouched(first(2), func() { b.shunned(b.write("f.yaml", shape{masters: 3, nodes: first(3)}), "timed out", "n2") })
	})
	b.fleet.Resume(2)
	b.fleet.Check(t)
	b.fleet.Read(t, 500, 32)
}

func serving(c *livetest.Certificates) *tls.Config {
	return &tls.Config{Certificates: c.Client.Certificates, MinVersion: tls.VersionTLS12}
}

// unused is an address where nobody listens.
func unused(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Without the password, with a wrong one, with plain text where TLS is spoken
// and the reverse: every server is named with what it said, nothing is done,
// and no output ever holds a password.
func TestALoginThatIsRefusedIsToldWithoutThePassword(t *testing.T) {
	const right, wrong = "canary-right-3f9c", "canary-wrong-77aa"
	b := newBench(t, livetest.Options{Servers: 3, Password: right})
	b.env = append(b.env, "RIGHT="+right, "WRONG="+wrong)
	auth := func(name string) string { return "  auth: {password: {env: " + name + "}}\n" }
	file := func(name, more string) string {
		return b.write(name, shape{masters: 3, nodes: first(3), more: more})
	}
	good := file("good.yaml", auth("RIGHT"))
	var said []string
	b.must(0, "apply", good, "--auto-approve")
	b.untouched(first(3), func() {
		for _, c := range []struct{ name, more, word string }{
			{"no password", "", "NOAUTH"},
			{"a wrong password", auth("WRONG"), "WRONGPASS"},
			{"TLS to plain servers", auth("RIGHT") + b.trust(), "TLS"},
		} {
			path := file("bad.yaml", c.more)
			b.shunned(path, c.word, "n0", "n1", "n2")
			for _, args := range [][]string{{"plan", path}, {"plan", path, "-o", "markdown"}, {"apply", path, "--auto-approve", "--timeout", "1s", "-o", "json"}, {"status", path}, {"status", path, "-o", "json"}} {
				said = append(said, b.run(args...).String())
			}
		}
		for _, c := range []struct{ name, more, word string }{
			{"an environment variable that is not set", auth("NOBODY"), "NOBODY"},
			{"a password file that is not there", "  auth: {password: {file: nowhere.txt}}\n", "nowhere.txt"},
		} {
			o := b.must(1, "plan", file("bad.yaml", c.more))
			mentions(t, o.stdout+o.stderr, c.word)
			said = append(said, o.String())
		}
	})
	said = append(said, b.must(0, "plan", good, "-o", "json").String(), b.must(0, "status", good, "-o", "json").String(),
		b.must(0, "import", b.fleet.Servers[0].Addr, "--name", "x", "--password-env", "RIGHT").String())
	b.must(0, "plan", good, "--out", filepath.Join(b.dir, "saved"))
	saved, err := os.ReadFile(filepath.Join(b.dir, "saved"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(said, string(saved)) {
		if strings.Contains(text, "canary") {
			t.Errorf("a password is in %s", text)
		}
	}
}

// trust is the tls part of a spec.
func (b *bench) trust() string {
	c := livetest.NewCertificates(b.t, "127.0.0.1")
	return fmt.Sprintf("  tls: {caFile: %q, certFile: %q, keyFile: %q}\n", c.CA, c.Cert, c.Key)
}

// A run without a terminal and without an approval is an error, and so is a
// plain topology for servers that speak TLS.
func TestNothingIsDoneUnasked(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 3})
	file := b.write("f.yaml", shape{masters: 3, nodes: first(3)})
	b.untouched(first(3), func() {
		o := b.must(1, "apply", file)
		mentions(t, o.stderr, "nothing done", "--auto-approve")
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		cmd, _, stderr := b.command(ctx, "apply", file)
		cmd.Stdin = strings.NewReader("yes\n")
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("a yes from a pipe: %v %s", err, stderr)
		}
	})
}

func TestPlainTextIsToldFromTLS(t *testing.T) {
	host := "127.77.0.1"
	certs := livetest.NewCertificates(t, host)
	b := newBench(t, livetest.Options{Servers: 1, Host: host, TLS: certs})
	file := b.write("f.yaml", shape{masters: 1, nodes: first(1)})
	b.untouched(first(1), func() { b.shunned(file, "TLS", "n0") })
	other := b.write("other.yaml", shape{masters: 1, nodes: first(1), more: b.trust()})
	b.untouched(first(1), func() { b.shunned(other, "certificate", "n0") })
}
