package serve

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const secret = "0123456789abcdef"

func macOf(body string, key string, h func() hash.Hash) string {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

// door is pages with hooks, and how often they woke.
type door struct {
	hooks Hooks
	woken int
	told  []string
}

func newDoor() *door {
	d := &door{}
	d.hooks = Hooks{
		Secret: func() ([]byte, error) { return []byte(secret), nil },
		Ref:    "refs/heads/main",
		Wake:   func() { d.woken++ },
		Told:   func(provider, result string) { d.told = append(d.told, provider+" "+result) },
		Log:    slog.New(slog.DiscardHandler),
	}
	return d
}

func (d *door) call(method, path string, header http.Header, body io.Reader) *httptest.ResponseRecorder {
	well := func() error { return nil }
	r := httptest.NewRequest(method, path, body)
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	w := httptest.NewRecorder()
	Pages{Alive: well, Ready: well, Status: func() any { return nil }, Metrics: http.NotFoundHandler(), Hooks: d.hooks}.Handler().ServeHTTP(w, r)
	return w
}

func TestOnlyWhoKnowsTheSecretHasTheSourceLookedAt(t *testing.T) {
	push := `{"ref":"refs/heads/main"}`
	good, plain := "sha256="+macOf(push, secret, sha256.New), macOf(push, secret, sha256.New)
	for name, c := range map[string]struct {
		path, header, value string
		want                int
	}{
		"github":                               {"github", "X-Hub-Signature-256", good, 202},
		"gitea":                                {"gitea", "X-Gitea-Signature", plain, 202},
		"gitlab":                               {"gitlab", "X-Gitlab-Token", secret, 202},
		"generic":                              {"generic", "X-Signature", good, 202},
		"no signature":                         {"github", "X-Other", good, 403},
		"an empty one":                         {"github", "X-Hub-Signature-256", "", 403},
		"the prefix alone":                     {"github", "X-Hub-Signature-256", "sha256=", 403},
		"a short one":                          {"github", "X-Hub-Signature-256", good[:40], 403},
		"no hexadecimal":                       {"github", "X-Hub-Signature-256", "sha256=" + strings.Repeat("zz", 32), 403},
		"without its prefix":                   {"github", "X-Hub-Signature-256", plain, 403},
		"a weaker kind":                        {"github", "X-Hub-Signature-256", "sha1=" + macOf(push, secret, sha1.New), 403},
		"a weaker kind that claims to be good": {"github", "X-Hub-Signature-256", "sha256=" + macOf(push, secret, sha1.New), 403},
		"the old header":                       {"github", "X-Hub-Signature", "sha1=" + macOf(push, secret, sha1.New), 403},
		"another case of the header's name":    {"github", "x-hub-signature-256", good, 202},
		"another case of the prefix":           {"github", "X-Hub-Signature-256", "SHA256=" + plain, 403},
		"another provider's way":               {"gitlab", "X-Hub-Signature-256", good, 403},
		"another secret":                       {"github", "X-Hub-Signature-256", "sha256=" + macOf(push, "another secret..", sha256.New), 403},
		"of another body":                      {"generic", "X-Signature", "sha256=" + macOf(push+" ", secret, sha256.New), 403},
		"a token that begins right":            {"gitlab", "X-Gitlab-Token", secret[:15], 403},
		"no token":                             {"gitlab", "X-Gitlab-Token", "", 403},
		"a provider nobody knows":              {"bitbucket", "X-Hub-Signature-256", good, 404},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor()
			w := d.call("POST", "/hooks/"+c.path, http.Header{c.header: {c.value}}, strings.NewReader(push))
			if woke := d.woken == 1; w.Code != c.want || woke != (c.want == 202) {
				t.Errorf("status %d, woken %d times, want %d", w.Code, d.woken, c.want)
			}
		})
	}
}

func TestWhatACallSaysIsNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		wakes bool
	}{
		"a push to the branch":       {`{"ref":"refs/heads/main"}`, true},
		"a push to another branch":   {`{"ref":"refs/heads/other"}`, false},
		"a tag":                      {`{"ref":"refs/tags/main"}`, false},
		"no reference":               {`{}`, true},
		"a reference that is none":   {`{"ref":17}`, true},
		"null":                       {`null`, true},
		"a list":                     {`[[[]]]`, true},
		"nothing":                    {``, true},
		"no JSON":                    {"\x00\xff", true},
		"deeply nested":              {strings.Repeat("[", 100_000), true},
		"two references, last rules": {`{"ref":"refs/heads/other","ref":"refs/heads/main"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor()
			header := http.Header{"X-Signature": {"sha256=" + macOf(c.body, secret, sha256.New)}}
			w := d.call("POST", "/hooks/generic", header, strings.NewReader(c.body))
			if (d.woken == 1) != c.wakes || w.Code >= 300 {
				t.Errorf("status %d, woken %d times", w.Code, d.woken)
			}
		})
	}
}

func TestCallsThatAreRefusedBeforeTheyAreRead(t *testing.T) {
	d := newDoor()
	if w := d.call("POST", "/hooks/gitlab", http.Header{"X-Gitlab-Token": {secret}}, io.LimitReader(forEver{}, bodyBytes+1)); w.Code != 413 {
		t.Errorf("a body above the cap: status %d", w.Code)
	}
	if w := d.call("POST", "/hooks/gitlab", http.Header{"X-Gitlab-Token": {secret}}, io.LimitReader(forEver{}, bodyBytes)); w.Code != 202 {
		t.Errorf("a body at the cap: status %d", w.Code)
	}
	for _, method := range []string{"GET", "PUT", "DELETE", "HEAD"} {
		if w := d.call(method, "/hooks/gitlab", http.Header{"X-Gitlab-Token": {secret}}, nil); w.Code != 405 {
			t.Errorf("%s: status %d", method, w.Code)
		}
	}
	d.hooks.Secret = func() ([]byte, error) { return nil, errors.New("gone") }
	if w := d.call("POST", "/hooks/gitlab", http.Header{"X-Gitlab-Token": {""}}, strings.NewReader("")); w.Code != 503 {
		t.Errorf("a secret that can't be read: status %d", w.Code)
	}
	d.hooks.Secret = nil
	if w := d.call("POST", "/hooks/gitlab", http.Header{"X-Gitlab-Token": {""}}, strings.NewReader("")); w.Code != 404 {
		t.Errorf("no secret is set: status %d", w.Code)
	}
	if d.woken != 1 {
		t.Errorf("woken %d times", d.woken)
	}
	if got := strings.Join(d.told, ", "); got != "gitlab too large, gitlab accepted, gitlab no secret, gitlab off" {
		t.Errorf("counted: %s", got)
	}
}

// A call that is zipped, of another type, or made once more does what any call
// does: it wakes. Nothing of it is unzipped, kept or counted on.
func TestACallIsNoMoreThanAKnock(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.CopyN(z, forEver{}, 64<<20) // more than a body may have, once unzipped
	_ = z.Close()
	for name, more := range map[string]http.Header{
		"zipped":          {"Content-Encoding": {"gzip"}},
		"of another type": {"Content-Type": {"application/x-www-form-urlencoded"}},
	} {
		d, body := newDoor(), zipped.String()
		more["X-Signature"] = []string{"sha256=" + macOf(body, secret, sha256.New)}
		for i := range 3 { // the second and third are replays
			if w := d.call("POST", "/hooks/generic", more, strings.NewReader(body)); w.Code != 202 || d.woken != i+1 {
				t.Errorf("%s, call %d: status %d, woken %d times", name, i+1, w.Code, d.woken)
			}
		}
	}
	d := newDoor()
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		if w := d.call("GET", "/hooks/gitlab?_method=POST", http.Header{name: {"POST"}, "X-Gitlab-Token": {secret}}, nil); w.Code != 405 {
			t.Errorf("GET with %s: status %d", name, w.Code)
		}
	}
	if d.woken > 0 {
		t.Error("a method in disguise woke it")
	}
}

// Callers that send a byte now and then, or none, are hung up on, and answer
// nobody's purpose meanwhile.
func TestCallersThatDawdleAreHungUpOn(t *testing.T) {
	d := newDoor()
	well := func() error { return nil }
	s := server(Pages{Alive: well, Ready: well, Status: func() any { return nil }, Metrics: http.NotFoundHandler(), Hooks: d.hooks}.Handler(), d.hooks.Log)
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.ReadTimeout > time.Minute || s.MaxHeaderBytes > 1<<20 {
		t.Errorf("a limit is missing or large: %+v", s)
	}
	s.ReadHeaderTimeout, s.ReadTimeout = 200*time.Millisecond, 400*time.Millisecond // the same, sooner
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	for name, begin := range map[string]string{
		"nothing":      "",
		"half a line":  "POST /hooks/gi",
		"half a body":  "POST /hooks/gitlab HTTP/1.1\r\nHost: x\r\nX-Gitlab-Token: " + secret + "\r\nContent-Length: 100\r\n\r\n{",
		"endless body": "POST /hooks/gitlab HTTP/1.1\r\nHost: x\r\nX-Gitlab-Token: " + secret + "\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		"headers":      "POST /hooks/gitlab HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 2*headerBytes),
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, begin)
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		answer, err := io.ReadAll(c)
		var late net.Error
		if errors.As(err, &late) && late.Timeout() || strings.Contains(string(answer), " 202 ") {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
	}
	if d.woken > 0 {
		t.Error("it woke")
	}
}

type forEver struct{}

func (forEver) Read(p []byte) (int, error) { return len(p), nil }

func FuzzACallNeverWakesWithoutTheSecret(f *testing.F) {
	f.Add("github", "X-Hub-Signature-256", "sha256=00", []byte(`{"ref":null}`))
	f.Add("gitlab", "X-Gitlab-Token", "", []byte(`[]`))
	f.Add("gitea", "X-Gitea-Signature", "zz", []byte("{"))
	f.Add("generic", "X-Signature", "sha256=", []byte{})
	f.Fuzz(func(t *testing.T, provider, name, value string, body []byte) {
		d := newDoor()
		take := signatures[provider]
		if take == nil || value == secret {
			return
		}
		d.hooks.serve(provider)(httptest.NewRecorder(), &http.Request{
			Method: http.MethodPost, Header: http.Header{http.CanonicalHeaderKey(name): {value}}, Body: io.NopCloser(strings.NewReader(string(body))),
		})
		known := strings.Contains(value, macOf(string(body), secret, sha256.New))
		if d.woken > 0 && !known {
			t.Fatalf("woken by %s: %q", name, value)
		}
	})
}
