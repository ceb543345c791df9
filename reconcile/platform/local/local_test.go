package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec"
)

// testHost keeps these servers apart from everybody else's on the machine.
const testHost = "127.23.0.1"

// topology wants masters nodes without replicas in zones a and b.
func topology(t *testing.T, masters, port int) spec.Topology {
	return spec.Topology{
		Name: "orders", Masters: masters, Zones: []string{"a", "b"}, File: filepath.Join(t.TempDir(), "orders.yaml"),
		Platform: spec.Platform{Local: &spec.Local{Directory: "data", BasePort: port, Server: livetest.Program("server")}},
	}
}

// platform is the platform of want; what it started is killed at the end.
func platform(t *testing.T, want spec.Topology) *Platform {
	t.Helper()
	var password func() (string, error)
	if want.Auth != nil {
		password = func() (string, error) { return secret, nil }
	}
	p, err := New(want, t.TempDir(), password)
	if err != nil {
		t.Fatal(err)
	}
	p.host = testHost
	t.Cleanup(func() {
		made, err := p.home.nodes()
		if err != nil {
			t.Log(err)
		}
		for name := range made {
			kill(t, p, name)
		}
	})
	return p
}

const secret = `pa"ss \word` + "\n\xff"

func kill(t *testing.T, p *Platform, name string) {
	t.Helper()
	process, err := p.home.process(name)
	if err != nil {
		t.Fatal(err)
	}
	if process == nil {
		return
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := p.home.waitGone(ctx, name); err != nil {
		t.Fatal(err)
	}
}

func places(t *testing.T, p *Platform) map[string]cluster.Place {
	t.Helper()
	all, err := p.Places(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]cluster.Place{}
	for _, place := range all {
		out[place.Name] = place
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask sends one inline command and returns the first line of the answer, or
// the second for a bulk reply.
func ask(t *testing.T, addr, command string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = fmt.Fprintf(conn, "%s\r\n", command)
	must(t, err)
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	must(t, err)
	if strings.HasPrefix(line, "$") && !strings.HasPrefix(line, "$-1") {
		line, err = in.ReadString('\n')
		must(t, err)
	}
	return strings.TrimSpace(line)
}

// eventually asks until the answer is want: servers load their data first.
func eventually(t *testing.T, addr, command, want string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		got := ask(t, addr, command)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s at %s: got %q, want %q", command, addr, got, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestNodesStartServeStopAndStartAgainWithTheirData(t *testing.T) {
	ctx, p := context.Background(), platform(t, topology(t, 3, 23000))
	if place := places(t, p)["b-0"]; place != (cluster.Place{Name: "b-0", Zone: "b", Host: testHost, Listed: true}) {
		t.Errorf("before the start: %+v", place)
	}
	must(t, p.Start(ctx, []string{"a-1", "b-0", "a-0"}))
	for i, name := range []string{"a-0", "b-0", "a-1"} {
		addr := net.JoinHostPort(testHost, strconv.Itoa(23000+i))
		if place := places(t, p)[name]; !place.Exists || place.Addr != addr {
			t.Errorf("after the start: %+v, want it at %s", place, addr)
		}
	}
	must(t, p.Start(ctx, []string{"a-0"})) // runs already: nothing happens
	eventually(t, testHost+":23000", "CLUSTER ADDSLOTSRANGE 0 16383", "+OK")
	eventually(t, testHost+":23000", "SET key value", "+OK")

	must(t, p.Stop(ctx, []string{"a-0", "b-0"}))
	if place := places(t, p)["a-0"]; place.Exists || !place.Listed || place.Addr == "" {
		t.Errorf("after the stop: %+v", place)
	}
	must(t, p.Start(ctx, []string{"a-0"}))
	eventually(t, testHost+":23000", "GET key", "value")
}

func TestAKilledNodeIsNotThereAndStartsAgainWithItsData(t *testing.T) {
	ctx, p := context.Background(), platform(t, topology(t, 1, 23010))
	must(t, p.Start(ctx, []string{"a-0"}))
	eventually(t, testHost+":23010", "CLUSTER ADDSLOTSRANGE 0 16383", "+OK")
	eventually(t, testHost+":23010", "CONFIG SET appendfsync always", "+OK")
	eventually(t, testHost+":23010", "SET key value", "+OK")
	kill(t, p, "a-0")
	if places(t, p)["a-0"].Exists {
		t.Error("a killed node still exists")
	}
	must(t, p.Start(ctx, []string{"a-0"}))
	eventually(t, testHost+":23010", "GET key", "value")
}

func TestAnotherProgramWithTheSameNumberIsNotOurs(t *testing.T) {
	ctx, p := context.Background(), platform(t, topology(t, 1, 23020))
	must(t, p.Start(ctx, []string{"a-0"}))
	pid, err := p.home.running("a-0")
	must(t, err)
	must(t, os.WriteFile(p.home.path("a-0", pidFile), []byte(strconv.Itoa(os.Getpid())), 0o600))
	if places(t, p)["a-0"].Exists {
		t.Error("this test's own process passes for the server")
	}
	must(t, p.Stop(ctx, []string{"a-0"})) // must not end this test
	must(t, os.WriteFile(p.home.path("a-0", pidFile), []byte(strconv.Itoa(pid)), 0o600))
	if !places(t, p)["a-0"].Exists {
		t.Error("the server is not recognised")
	}
}

func TestServersAreDetached(t *testing.T) {
	p := platform(t, topology(t, 1, 23025))
	must(t, p.Start(context.Background(), []string{"a-0"}))
	pid, err := p.home.running("a-0")
	must(t, err)
	group, err := syscall.Getpgid(pid)
	must(t, err)
	if group != pid {
		t.Errorf("process group %d, want its own, %d", group, pid)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	must(t, err)
	if t.Setenv("SLOTWRIGHT_SECRET", secret); strings.Contains(string(environ), "SLOTWRIGHT") {
		t.Error("the server has this process's environment")
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	must(t, err)
	for _, link := range links {
		if target, _ := os.Readlink(link); strings.HasSuffix(target, ".lock") {
			t.Errorf("the server has inherited %s", target)
		}
	}
}

func TestShrinkingUnlistsTheHighestOrdinalAndKeepsItsPort(t *testing.T) {
	ctx, want := context.Background(), topology(t, 3, 23030)
	all := []string{"a-0", "b-0", "a-1"}
	must(t, platform(t, want).Start(ctx, all))
	want.Masters = 2
	p := platform(t, want)
	if place := places(t, p)["a-1"]; !place.Exists || place.Listed || place.Zone != "a" || place.Addr != testHost+":23032" {
		t.Errorf("the leaving node: %+v", place)
	}
	must(t, p.Stop(ctx, []string{"a-1"}))
	if place, there := places(t, p)["a-1"]; there {
		t.Errorf("stopped on purpose and still a place: %+v", place)
	}
	want.State = spec.Absent
	if _, there := places(t, platform(t, want))["a-1"]; !there {
		t.Error("an absent cluster forgets the data of a stopped node")
	}
	want.State, want.Masters = spec.Present, 4
	p = platform(t, want)
	must(t, p.Start(ctx, []string{"b-1", "a-1"}))
	if got := places(t, p); got["a-1"].Addr != testHost+":23032" || got["b-1"].Addr != testHost+":23033" {
		t.Errorf("ports after growing again: %+v", got)
	}
}

func TestANodeThatDiedWhileLeavingIsStillAPlace(t *testing.T) {
	want := topology(t, 2, 23040)
	p := platform(t, want)
	must(t, p.Start(context.Background(), []string{"a-0", "b-0"}))
	kill(t, p, "b-0")
	want.Masters = 1
	if place, there := places(t, platform(t, want))["b-0"]; !there || place.Exists || place.Listed {
		t.Errorf("got %+v, %v", place, there)
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	p := platform(t, topology(t, 2, 23050))
	for _, taken := range []string{":23050", ":33050"} {
		l, err := net.Listen("tcp", testHost+taken)
		must(t, err)
		err = p.Start(context.Background(), []string{"a-0", "b-0"})
		l.Close()
		if err == nil || strings.Count(err.Error(), "taken") != 1 || !strings.Contains(err.Error(), "port "+taken[1:]+" is taken") || !strings.Contains(err.Error(), "basePort") {
			t.Errorf("got %v", err)
		}
		if place := places(t, p)["a-0"]; place.Addr != "" {
			t.Errorf("a node that never started has a port: %+v", place)
		}
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*spec.Topology)
		node   string
		says   []string
	}{
		"no such program":  {func(w *spec.Topology) { w.Platform.Local.Server = "no-such-server" }, "a-0", []string{"no-such-server", "install", "spec.platform.local.server"}},
		"no such engine":   {func(w *spec.Topology) { w.Platform.Local.Server, w.Engine.Name = "", "nokey" }, "a-0", []string{"nokey-server"}},
		"bad directive":    {func(w *spec.Topology) { w.Config = map[string]string{"no-such-directive": "hush"} }, "a-0", []string{"start a-0", "no-such-directive"}},
		"not a node":       {func(*spec.Topology) {}, "z-9", []string{"start z-9", "no such node"}},
		"no bus port":      {func(w *spec.Topology) { w.Platform.Local.BasePort = 60000 }, "a-0", []string{"70000", "basePort"}},
		"no certificate":   {func(w *spec.Topology) { w.TLS = &spec.TLS{CAFile: "ca.crt", CertFile: "no.crt", KeyFile: "no.key"} }, "a-0", []string{"no.key"}},
		"half of TLS":      {func(w *spec.Topology) { w.TLS = &spec.TLS{CAFile: "go.mod"} }, "a-0", []string{"certFile"}},
		"outside, by name": {func(*spec.Topology) {}, "../a-0", []string{"no such node"}},
	} {
		t.Run(name, func(t *testing.T) {
			want := topology(t, 1, 23060)
			if c.change(&want); want.TLS != nil {
				for _, file := range []string{"ca.crt", "no.crt", "go.mod"} {
					must(t, os.WriteFile(want.Path(file), nil, 0o600))
				}
			}
			err := platform(t, want).Start(context.Background(), []string{c.node})
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("%q quotes a value, which might be a password", err)
			}
		})
	}
}

func TestOneBadNodeDoesNotKeepTheOthersFromStarting(t *testing.T) {
	p := platform(t, topology(t, 2, 23070))
	err := p.Start(context.Background(), []string{"z-9", "b-0", "a-0"})
	if err == nil || !strings.Contains(err.Error(), "z-9") || strings.Contains(err.Error(), "b-0") {
		t.Errorf("got %v, want an error that names z-9 only", err)
	}
	if got := places(t, p); !got["a-0"].Exists || !got["b-0"].Exists {
		t.Errorf("not started: %+v", got)
	}
}

func TestRestartTakesTheNewConfiguration(t *testing.T) {
	ctx, want := context.Background(), topology(t, 1, 23080)
	must(t, platform(t, want).Start(ctx, []string{"a-0"}))
	want.Config = map[string]string{
		"databases": "16", "maxmemory": "7mb", "save": "900 1 300 10",
		"client-output-buffer-limit": "replica 3mb 2mb 60", "notify-keyspace-events": "",
	}
	p := platform(t, want)
	must(t, p.Restart(ctx, "a-0"))
	eventually(t, testHost+":23080", "PING", "+PONG")
	for directive, value := range map[string]string{
		"maxmemory": "7340032", "save": "900 1 300 10",
		"client-output-buffer-limit": "normal 0 0 0 slave 3145728 2097152 60 pubsub 33554432 8388608 60",
	} {
		if got := configGet(t, testHost+":23080", directive); got != value {
			t.Errorf("%s is %q, want %q", directive, got, value)
		}
	}
}

func TestANodeRunsOnWithItsOldConfigurationWhereTheNewOneIsRefused(t *testing.T) {
	ctx, want := context.Background(), topology(t, 1, 23090)
	must(t, platform(t, want).Start(ctx, []string{"a-0"}))
	want.Config = map[string]string{"databases": "zzz"}
	p := platform(t, want)
	for _, words := range []string{"databases", "tried before"} {
		before, err := p.home.running("a-0")
		must(t, err)
		var bad cluster.BadConfig
		if err := p.Restart(ctx, "a-0"); !errors.As(err, &bad) || !strings.Contains(bad.Words, words) {
			t.Errorf("got %v, want %q", err, words)
		}
		eventually(t, testHost+":23090", "PING", "+PONG")
		if after, err := p.home.running("a-0"); err != nil || (after == before) != (words == "tried before") {
			t.Errorf("%s: process %d was %d, %v", words, after, before, err)
		}
	}
	want.Config = nil
	must(t, platform(t, want).Restart(ctx, "a-0"))
	eventually(t, testHost+":23090", "PING", "+PONG")
}

// configGet reads one directive: an array of two bulk strings.
func configGet(t *testing.T, addr, name string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = fmt.Fprintf(conn, "CONFIG GET %s\r\n", name)
	must(t, err)
	in, line := bufio.NewReader(conn), ""
	for range 5 {
		line, err = in.ReadString('\n')
		must(t, err)
	}
	return strings.TrimSpace(line)
}
