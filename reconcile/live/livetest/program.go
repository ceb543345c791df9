package livetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Program is the path of redis-server or valkey-server ("server"), redis-cli
// or valkey-cli ("cli"): the engine's, or the first on PATH.
func Program(kind string) string { return programOf(os.Getenv("SLOTWRIGHT_ENGINE"), kind) }

func programOf(engine, kind string) string {
	for _, brand := range []string{"redis-", "valkey-"} {
		name := brand + kind
		if engine != "" {
			name = filepath.Join(engine, "bin", name)
		}
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return "redis-" + kind // starting it fails with a message that names it
}

// CLI runs redis-cli or valkey-cli against the first server and returns what
// it printed. It is killed after ten minutes.
func (f *Fleet) CLI(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var login []string
	if f.opts.TLS != nil {
		login = append(login, "--tls", "--cacert", f.opts.TLS.CA, "--cert", f.opts.TLS.Cert, "--key", f.opts.TLS.Key)
	}
	if f.opts.Username != "" {
		login = append(login, "--user", f.opts.Username)
	}
	cmd := exec.CommandContext(ctx, Program("cli"), append(login, args...)...)
	if cmd.Env = os.Environ(); f.opts.Password != "" {
		cmd.Env = append(cmd.Env, "REDISCLI_AUTH="+f.opts.Password) // valkey-cli reads it, too
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", filepath.Base(cmd.Path), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Create makes one cluster of all servers with redis-cli, and waits until
// everybody agrees.
func (f *Fleet) Create(t testing.TB, replicas int) {
	t.Helper()
	args := append([]string{"--cluster", "create"}, f.Addrs()...)
	if _, err := f.CLI(append(args, "--cluster-replicas", fmt.Sprint(replicas), "--cluster-yes")...); err != nil {
		t.Fatal(err)
	}
	f.Check(t)
}

// Check demands that redis-cli --cluster check finds nothing wrong, and that
// every member of the cluster itself says that it is ok. Gossip takes a
// moment: it asks for up to 30 seconds.
func (f *Fleet) Check(t testing.TB) {
	t.Helper()
	var err error
	if !Eventually(30*time.Second, func() bool {
		if err = f.everyMemberOK(); err == nil {
			_, err = f.CLI("--cluster", "check", f.member())
		}
		return err == nil
	}) {
		t.Fatal(err)
	}
}

func (f *Fleet) everyMemberOK() error {
	for _, s := range f.running() {
		info, err := f.Client(s).ClusterInfo(context.Background()).Result()
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		if !alone(info) && !strings.Contains(info, "cluster_state:ok") {
			return fmt.Errorf("%s: %s", s.Name, info)
		}
	}
	return nil
}

// member is the address of a running server that is a member.
func (f *Fleet) member() string { return f.members()[0] }

// members are the addresses of the running servers that are members; of all
// servers while there is no cluster.
func (f *Fleet) members() []string {
	var addrs []string
	for _, s := range f.running() {
		if info, err := f.info(s); err == nil && !alone(info) {
			addrs = append(addrs, s.Addr)
		}
	}
	if len(addrs) == 0 {
		return f.Addrs()
	}
	return addrs
}

// info is CLUSTER INFO of a server that may be paused.
func (f *Fleet) info(s *Server) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c := f.Client(s)
	defer c.Close()
	return c.ClusterInfo(ctx).Result()
}

// alone says that the server of this CLUSTER INFO is no member of anything.
func alone(info string) bool {
	return strings.Contains(info, "cluster_known_nodes:1\r") && strings.Contains(info, "cluster_slots_assigned:0\r")
}

func (f *Fleet) running() []*Server {
	var up []*Server
	for _, s := range f.Servers {
		if s.cmd.ProcessState == nil {
			up = append(up, s)
		}
	}
	return up
}
