package local

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/platform/redisconf"
	"github.com/slotwright/slotwright/spec"
)

func TestAPasswordIsAskedForAndKeptPrivate(t *testing.T) {
	want := topology(t, 1, 23140)
	want.Auth = &spec.Auth{Username: "default"}
	p := platform(t, want)
	must(t, p.Start(context.Background(), []string{"a-0"}))
	addr := testHost + ":23140"
	if got := ask(t, addr, "PING"); !strings.HasPrefix(got, "-NOAUTH") {
		t.Errorf("without a password: %s", got)
	}
	if got := ask(t, addr, "AUTH "+redisconf.Quote(secret)); got != "+OK" {
		t.Errorf("with the password: %s", got)
	}
	info, err := os.Stat(p.home.path("a-0", confFile))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode of redis.conf: %v", info.Mode())
	}
}

func TestANamedUserIsTheOnlyOneWhoGetsIn(t *testing.T) {
	want := topology(t, 1, 23145)
	want.Auth = &spec.Auth{Username: "orders-admin"}
	p := platform(t, want)
	must(t, p.Start(context.Background(), []string{"a-0"}))
	addr := testHost + ":23145"
	if got := ask(t, addr, "PING"); !strings.HasPrefix(got, "-NOAUTH") {
		t.Errorf("without a user: %s", got)
	}
	if got := ask(t, addr, "AUTH orders-admin "+redisconf.Quote(secret)); got != "+OK" {
		t.Errorf("with the user: %s", got)
	}
}

func TestAPasswordThatNobodyReadsIsAnError(t *testing.T) {
	want := topology(t, 1, 23150)
	want.Auth = &spec.Auth{}
	if _, err := New(want, "", nil); err == nil {
		t.Error("no error")
	}
}
