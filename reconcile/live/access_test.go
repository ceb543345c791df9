package live

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec"
)

const password = "S3cret-of-the-test"

// ask asks a server under the given access what an observation asks.
func askOne(t *testing.T, addr string, access Access) cluster.View {
	t.Helper()
	c := open(t, &inventory{}, access)
	return c.ask(context.Background(), cluster.Place{Name: "n0", Addr: addr, Exists: true}, c.directives())
}

func TestALoginThatIsRefusedIsSaidPlainlyAndWithoutTheSecret(t *testing.T) {
	plain := serve(t, livetest.Options{Password: password}, "n0")[0]
	acl := serve(t, livetest.Options{Username: "ops", Password: password}, "n0")[0]
	for name, test := range map[string]struct {
		addr   string
		access Access
		want   string // "" is an answer
	}{
		"no password":     {plain.addr, Access{}, "the login is refused (NOAUTH)"},
		"a wrong one":     {plain.addr, Access{Login: Login{Password: "not-" + password}}, "the login is refused (WRONGPASS)"},
		"the right one":   {plain.addr, Access{Login: Login{Password: password}}, ""},
		"a user":          {acl.addr, Access{Login: Login{Username: "ops", Password: password}}, ""},
		"an unknown user": {acl.addr, Access{Login: Login{Username: "dev", Password: password}}, "the login is refused (WRONGPASS)"},
	} {
		view := askOne(t, test.addr, test.access)
		if view.Trouble != test.want || (test.want == "") != (len(view.Lines) == 1) {
			t.Errorf("%s: trouble %q, want %q; %d lines", name, view.Trouble, test.want, len(view.Lines))
		}
		if strings.Contains(view.Trouble, password) {
			t.Errorf("%s: the secret is in %q", name, view.Trouble)
		}
	}
}

// A server repeats the arguments of a command that it does not know, and so it does
// with one that was taken away: those of MIGRATE begin with the password.
func TestACommandThatWasTakenAwayTellsNoSecret(t *testing.T) {
	s := serve(t, livetest.Options{Password: password, Config: map[string]string{"rename-command": `MIGRATE ""`}}, "n0")[0]
	conn := Connect(Access{Login: Login{Password: password}})(s.addr)
	t.Cleanup(func() { _ = conn.Close() })
	w := &pair{party: (&mover{login: Login{Password: password}}).gather(), host: "127.0.0.1", port: 6379}
	_, err := conn.Do(t.Context(), w.migrate(0, []string{"key"}, time.Second)...)
	if text := fmt.Sprint(err); !strings.Contains(text, "unknown command") || !strings.Contains(text, "MIGRATE") || strings.Contains(text, password) {
		t.Errorf("got %s", text)
	}
}

func TestALoginMayLackWhatAnObservationCanDoWithout(t *testing.T) {
	s := serve(t, livetest.Options{}, "n0")[0]
	c := open(t, &inventory{}, Access{})
	command(t, c, s.addr, "ACL", "SETUSER", "blind", "on", ">"+password, "+info", "+ping")
	command(t, c, s.addr, "ACL", "SETUSER", "looker", "on", ">"+password, "+info", "+cluster")
	if view := askOne(t, s.addr, Access{Login: Login{"blind", password}}); !strings.Contains(view.Trouble, "NOPERM") {
		t.Errorf("without CLUSTER NODES: %q", view.Trouble)
	}
	view := askOne(t, s.addr, Access{Login: Login{"looker", password}})
	if view.Trouble != "" || len(view.Lines) != 1 || view.Info.Keys != 0 || len(view.Info.Config) != 0 {
		t.Errorf("without CONFIG: %q, %+v", view.Trouble, view.Info)
	}
}

func TestTLSWithClientCertificates(t *testing.T) {
	const host = "127.22.0.1"
	files, others := livetest.NewCertificates(t, host), livetest.NewCertificates(t, host)
	elsewhere := livetest.NewCertificates(t, "127.22.0.9")
	elsewhere.Client.ServerName = "127.22.0.9" // for the harness
	s := serve(t, livetest.Options{Host: host, TLS: files}, "n0")[0]
	stray := serve(t, livetest.Options{Host: host, TLS: elsewhere}, "n0")[0]
	for name, test := range map[string]struct {
		addr string
		tls  spec.TLS
		want string // "" is an answer, "any" some trouble: what it says depends on who notices first
	}{
		"right":              {s.addr, spec.TLS{CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key}, ""},
		"another authority":  {s.addr, spec.TLS{CAFile: others.CA, CertFile: files.Cert, KeyFile: files.Key}, "not trusted"},
		"no certificate":     {s.addr, spec.TLS{CAFile: files.CA}, "any"},
		"a foreign one":      {s.addr, spec.TLS{CAFile: files.CA, CertFile: others.Cert, KeyFile: others.Key}, "any"},
		"of another address": {stray.addr, spec.TLS{CAFile: elsewhere.CA, CertFile: elsewhere.Cert, KeyFile: elsewhere.Key}, "not trusted"},
	} {
		access, err := ReadAccess(spec.Topology{TLS: &test.tls}, nil)
		if err != nil {
			t.Fatal(err)
		}
		view := askOne(t, test.addr, access)
		if (test.want == "") != (view.Trouble == "") || test.want != "any" && !strings.Contains(view.Trouble, test.want) {
			t.Errorf("%s: %q, want %q", name, view.Trouble, test.want)
		}
	}
	if view := askOne(t, s.addr, Access{}); view.Trouble == "" {
		t.Error("plain text to a TLS port was an answer")
	}
}

func TestSecretsAreReadBesideTheTopologyAndAgainEachTime(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "pw"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := spec.Topology{File: filepath.Join(dir, "orders.yaml"), Auth: &spec.Auth{Username: "ops", Password: spec.Secret{File: "pw"}}}
	for text, secret := range map[string]string{"one\n": "one", "two": "two", "three\r\n": "three", " four \n\n": " four \n"} {
		write(text)
		access, err := ReadAccess(want, nil)
		if err != nil || access.Login != (Login{"ops", secret}) {
			t.Errorf("%q: %q, %v", text, access.Login.Password, err)
		}
	}
	write("\n")
	if _, err := ReadAccess(want, nil); err == nil {
		t.Error("an empty password was accepted")
	}
	t.Setenv("ORDERS_PASSWORD", "five")
	want.Auth.Password = spec.Secret{Env: "ORDERS_PASSWORD"}
	if access, err := ReadAccess(want, nil); err != nil || access.Login.Password != "five" {
		t.Errorf("from the environment: %v, %v", access, err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, Access{Login: Login{"ops", "five"}}); strings.Contains(text, "five") {
			t.Errorf("%s prints the secret: %s", verb, text)
		}
	}
}

// answering is a server that answers everything with one text, and then, if it
// is told so, hangs up.
func answering(t *testing.T, text string, hangUp bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.22.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				into := make([]byte, 4096)
				for {
					if _, err := conn.Read(into); err != nil {
						return
					}
					if _, err := conn.Write([]byte(text)); err != nil || hangUp {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestBrokenAndHostileServersEndInAClearErrorInTime(t *testing.T) {
	for name, test := range map[string]struct {
		text   string
		hangUp bool
		want   string
	}{
		"silent":                    {"", false, "timed out"},
		"hangs up":                  {"", true, "EOF"},
		"speaks HTTP":               {"HTTP/1.1 400 Bad Request\r\n\r\n", false, "not RESP"},
		"claims a huge string":      {"$9223372036854775807\r\n", false, "not RESP"},
		"claims a large string":     {"$900000000\r\n", false, "not RESP"},
		"claims a huge array":       {"*2000000000\r\n", false, "not RESP"},
		"nests without end":         {strings.Repeat("*1\r\n", 10000), false, "not RESP"},
		"a line without end":        {"+" + strings.Repeat("x", 1<<20), false, "not RESP"},
		"nonsense in the right way": {"+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n", false, "can't parse"},
		"loads for ever":            {strings.Repeat("-LOADING Redis is loading the dataset in memory\r\n", 5), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			view := askOne(t, answering(t, test.text, test.hangUp), Access{})
			if !strings.Contains(view.Trouble, test.want) || (test.want == "") != view.Loading {
				t.Errorf("trouble %q, loading %v; want %q", view.Trouble, view.Loading, test.want)
			}
			if took := time.Since(start); took > 4*patience.answer {
				t.Errorf("it took %v", took)
			}
			if len(view.Trouble) > 400 {
				t.Errorf("%d bytes of trouble", len(view.Trouble))
			}
		})
	}
}

// A password is changed while a cluster is open and clients are thrown out: the
// look after the refused one logs in with the new password, once that can be
// read.
func TestARotatedPasswordIsReadAgainAfterItWasRefused(t *testing.T) {
	s := serve(t, livetest.Options{Password: password}, "n0")[0]
	c := open(t, inventoryOf(s), Access{Login: Login{Password: password}})
	reads, now := 0, Login{Password: password}
	c.again = func() (Access, error) { reads++; return Access{Login: now}, nil }
	trouble := func() string {
		t.Helper()
		seen := observe(t, c)
		return seen.Node("n0").Trouble
	}
	if text := trouble(); text != "" || reads != 0 {
		t.Fatalf("at first: %q, read %d times", text, reads)
	}
	s.fleet.Rotate(t, "another-"+password)
	if text := trouble(); !strings.Contains(text, "WRONGPASS") {
		t.Errorf("after the change: %q", text)
	}
	if text := trouble(); !strings.Contains(text, "WRONGPASS") || reads != 1 {
		t.Errorf("while the old one is read: %q, read %d times", text, reads)
	}
	now.Password = "another-" + password
	if text := trouble(); text != "" || c.login != now {
		t.Errorf("with the new one: %q", text)
	}
	if _ = trouble(); reads != 2 {
		t.Errorf("read %d times", reads)
	}
}
