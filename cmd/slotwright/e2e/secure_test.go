//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A cluster is created, grown and shrunk with every way of logging in, under
// clients that write all the time. Keys move between servers that log in to
// each other: MIGRATE needs the password, and the user where there is one.
func TestClustersBehindPasswordsUsersAndCertificatesLiveAsOthersDo(t *testing.T) {
	const canary = "canary-5d1e"
	certs := livetest.NewCertificates(t, "127.78.0.1")
	for _, c := range []struct {
		name string
		opts livetest.Options
		more func(b *bench) string
	}{
		{"a password from the environment", livetest.Options{Password: canary}, func(b *bench) string {
			b.env = append(b.env, "E2E_PASSWORD="+canary)
			return "  auth: {password: {env: E2E_PASSWORD}}\n"
		}},
		{"a user with a password file", livetest.Options{Username: "ali", Password: canary}, func(b *bench) string {
			if err := os.WriteFile(filepath.Join(b.dir, "secret"), []byte(canary+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return "  auth: {username: ali, password: {file: secret}}\n"
		}},
		{"client certificates", livetest.Options{Host: "127.78.0.1", TLS: certs}, func(*bench) string {
			return fmt.Sprintf("  tls: {caFile: %q, certFile: %q, keyFile: %q}\n", certs.CA, certs.Cert, certs.Key)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Servers = 8
			b := newBench(t, c.opts)
			said := b.lived(c.more(b))
			if strings.Contains(said, canary) {
				t.Errorf("the password is told: %s", said)
			}
			if state := b.written(); strings.Contains(state, canary) {
				t.Errorf("the password is in the state directory: %s", state)
			}
		})
	}
}

// lived creates, grows and shrinks a cluster under traffic, with more lines of
// spec, and returns all that was said.
func (b *bench) lived(more string) string {
	b.t.Helper()
	const keys = 10_000
	zones := abc(8)
	small := b.write("small.yaml", shape{masters: 3, replicas: 1, nodes: first(6), zones: zones, more: more})
	large := b.write("large.yaml", shape{masters: 4, replicas: 1, nodes: first(8), zones: zones, more: more})
	said := b.apply(small).String()
	b.fleet.Write(b.t, keys, 64)
	traffic := b.fleet.Traffic(2, time.Millisecond)
	for _, file := range []string{large, small} {
		if p := b.plan(file); p.Summary.MoveSlots != 4096 {
			b.t.Errorf("want 4096 slots moved, got %+v", p.Summary)
		}
		said += b.apply(file).String()
		b.fleet.Check(b.t)
	}
	kept(b.t, traffic.Stop())
	b.fleet.Read(b.t, keys, 64)
	return said
}

// written is all that slotwright has left in its state directory.
func (b *bench) written() string {
	b.t.Helper()
	all := ""
	err := filepath.WalkDir(filepath.Join(b.dir, "state"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all += string(text)
		return err
	})
	if err != nil || all == "" {
		b.t.Fatalf("the state directory: %q, %v", all, err)
	}
	return all
}
