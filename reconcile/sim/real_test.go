package sim

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// realSite is the script's servers as processes of redis-server.
type realSite struct {
	t    *testing.T
	dir  string
	proc map[string]*exec.Cmd
	conn map[string]net.Conn
}

const (
	realHost = "127.21.0.1"
	realPort = 21000
)

func newRealSite(t *testing.T) *realSite {
	t.Helper()
	s := &realSite{t: t, dir: t.TempDir(), proc: map[string]*exec.Cmd{}, conn: map[string]net.Conn{}}
	t.Cleanup(func() {
		for name := range s.proc {
			s.kill(name)
		}
	})
	for _, name := range names {
		s.start(name)
	}
	return s
}

func (s *realSite) addr(name string) (string, string) {
	return realHost, strconv.Itoa(realPort + int(name[0]-'a'))
}

func (s *realSite) start(name string) {
	s.t.Helper()
	dir := filepath.Join(s.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	host, port := s.addr(name)
	cmd := exec.Command("redis-server", "--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", "no", "--cluster-enabled", "yes", "--cluster-announce-ip", host, "--cluster-node-timeout", "1000",
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", "--logfile", filepath.Join(dir, "log"))
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	s.proc[name] = cmd
	for n := 0; s.wait(n); n++ {
		if v, _ := s.do(name, []string{"PING"}); v == "PONG" {
			return
		}
	}
	s.t.Fatalf("redis-server %s does not answer", name)
}

func (s *realSite) kill(name string) {
	if cmd := s.proc[name]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		delete(s.proc, name)
	}
	s.hangUp(name)
}

func (s *realSite) hangUp(name string) {
	if c := s.conn[name]; c != nil {
		_ = c.Close()
		delete(s.conn, name)
	}
}

func (s *realSite) wait(since int) bool {
	const step = 50 * time.Millisecond
	time.Sleep(step)
	return time.Duration(since)*step < 40*time.Second
}

func (s *realSite) do(name string, args []string) (any, error) {
	conn := s.conn[name]
	if conn == nil {
		var err error
		if conn, err = s.dial(name); err != nil {
			return nil, ErrDown
		}
		s.conn[name] = conn
	}
	v, err := exchange(conn, args)
	var refused Error
	if err != nil && !errors.As(err, &refused) {
		s.hangUp(name)
		return nil, ErrDown
	}
	return v, err
}

func (s *realSite) dial(name string) (net.Conn, error) {
	host, port := s.addr(name)
	return net.DialTimeout("tcp", net.JoinHostPort(host, port), time.Second)
}

func (s *realSite) id(name string) string {
	conn, err := s.dial(name)
	if err != nil {
		return ""
	}
	defer conn.Close()
	v, err := exchange(conn, []string{"CLUSTER", "MYID"})
	if err != nil {
		return ""
	}
	return v.(string)
}

func exchange(conn net.Conn, args []string) (any, error) {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, request(args)); err != nil {
		return nil, err
	}
	return reply(bufio.NewReader(conn))
}

func request(args []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

// reply reads one RESP2 value.
func reply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	n, _ := strconv.Atoi(rest)
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return nil, Error(rest)
	case ':':
		return int64(n), nil
	case '$', '*':
		if n < 0 {
			return nil, nil
		}
	}
	if kind == '$' {
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return string(b[:n]), err
	}
	out := make([]any, n)
	for i := range out {
		if out[i], err = reply(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func TestTheSimulationAnswersAsTheServerDoes(t *testing.T) {
	text := script(t)
	want := play(t, newRealSite(t), text)
	got := play(t, newWorldSite(), text)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("the server:\n%s\nthe simulation:\n%s", want[i], got[i])
		}
	}
}
