package tell

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

const canary = "canary/5f-secret"

// stub is a server that keeps the requests it gets.
type stub struct {
	*httptest.Server
	ca     string
	answer http.HandlerFunc
	got    []call
}

type call struct {
	method, path string // as it was sent
	header       http.Header
	body         []byte
	fields       map[string]any
}

func newStub(t *testing.T, status int, text string) *stub {
	t.Helper()
	s := &stub{answer: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c := call{method: r.Method, path: r.URL.EscapedPath(), header: r.Header, body: body}
		if err := json.Unmarshal(body, &c.fields); err != nil {
			t.Errorf("the body is no JSON: %s", body)
		}
		s.got = append(s.got, c)
		s.answer(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	s.ca = write(t, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return s
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *stub) commits(t *testing.T, api string) Commits {
	return Commits{
		API: api, URL: s.URL + "/api", Repo: "team/redis", Context: "slotwright/prod", Link: "https://grafana.example.com/d?c={cluster}",
		Token: Secret{What: "token", File: write(t, "token", canary+"\n")}, CAFile: s.ca,
	}
}

func place(t *testing.T, of interface{ Place() (*Place, error) }) *Place {
	t.Helper()
	p, err := of.Place()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func isHeld() Note { return ofCluster2(held(plan.ShrinkTo)) }

func ofCluster2(r *reconcile.Result) Note {
	return Note{Subject: "orders", Revision: rev('a'), Signer: "alice"}.after(*r)
}

// The three APIs, as their documentation has them.
func TestEveryServerGetsStatusesTheWayItWantsThem(t *testing.T) {
	for api, want := range map[string]struct {
		path, name, words string
		header            map[string]string
	}{
		"github": {
			"/api/repos/team/redis/statuses/" + strings.Repeat("a", 40), "context", "pending success failure error error",
			map[string]string{"Authorization": "Bearer " + canary, "Accept": "application/vnd.github+json", "X-Github-Api-Version": "2022-11-28"},
		},
		"gitlab": {
			"/api/projects/team%2Fredis/statuses/" + strings.Repeat("a", 40), "name", "pending success failed failed canceled",
			map[string]string{"Private-Token": canary, "Authorization": ""},
		},
		"gitea": {
			"/api/repos/team/redis/statuses/" + strings.Repeat("a", 40), "context", "pending success failure error error",
			map[string]string{"Authorization": "token " + canary},
		},
	} {
		t.Run(api, func(t *testing.T) {
			s := newStub(t, http.StatusCreated, `{"id":1}`)
			p := place(t, s.commits(t, api))
			pending := Note{Subject: "orders", Revision: rev('a'), State: "OutOfSync", Working: true}
			notes := []Note{
				pending, ofCluster2(inSync()), isHeld(), ofCluster2(&reconcile.Result{Err: errors.New("no route")}),
				{Subject: "orders", Revision: rev('a'), State: Superseded, Text: "superseded"},
			}
			var words []string
			for i, n := range notes {
				if err := p.post(t.Context(), n); err != nil {
					t.Fatal(err)
				}
				c := s.got[i]
				words = append(words, fmt.Sprint(c.fields["state"]))
				if c.method != http.MethodPost || c.path != want.path || c.header.Get("Content-Type") != "application/json" {
					t.Errorf("%s %s %v", c.method, c.path, c.header)
				}
				if c.fields[want.name] != "slotwright/prod/orders" || c.fields["target_url"] != "https://grafana.example.com/d?c=orders" {
					t.Errorf("the status is %s", c.body)
				}
				for name, value := range want.header {
					if c.header.Get(name) != value {
						t.Errorf("%s: %q, want %q", name, c.header.Get(name), value)
					}
				}
			}
			if got := strings.Join(words, " "); got != want.words {
				t.Errorf("the states are %s, want %s", got, want.words)
			}
			if text := s.got[2].fields["description"]; text != "Held: ShrinkTo: text of ShrinkTo. To lift it: lift it" {
				t.Errorf("the description is %q", text)
			}
			long := isHeld()
			long.Text = strings.Repeat("ü", 1000)
			if err := p.post(t.Context(), long); err != nil {
				t.Fatal(err)
			}
			if text := fmt.Sprint(s.got[5].fields["description"]); len([]rune(text)) != apis[api].describe || !strings.HasSuffix(text, "...") {
				t.Errorf("a long description has %d characters", len([]rune(text)))
			}
			if err := p.post(t.Context(), Note{Revision: rev('a'), State: Read}); err != nil || s.got[6].fields[want.name] != "slotwright/prod" {
				t.Errorf("of the source: %v %s", err, s.got[6].body)
			}
		})
	}
}

func TestAWebhookIsSignedAndSaysEverything(t *testing.T) {
	s := newStub(t, http.StatusNoContent, "")
	secret := write(t, "secret", canary)
	p := place(t, Webhook{URL: s.URL + "/x?y=z", Secret: Secret{What: "secret", File: secret}, Source: "https://git/x", Link: "https://l/{cluster}", CAFile: s.ca})
	if err := p.post(t.Context(), isHeld()); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(canary))
	mac.Write(s.got[0].body)
	if got := s.got[0].header.Get("X-Signature"); got != fmt.Sprintf("sha256=%x", mac.Sum(nil)) {
		t.Errorf("the signature is %s", got)
	}
	var m message
	if err := json.Unmarshal(s.got[0].body, &m); err != nil {
		t.Fatal(err)
	}
	if m.Cluster != "orders" || m.Revision != rev('a') || m.Signer != "alice" || m.State != "Held" || m.Link != "https://l/orders" ||
		m.Source != "https://git/x" || len(m.Holds) != 1 || m.Holds[0].Code != plan.ShrinkTo || m.Holds[0].Lift != "lift it" || m.Time.IsZero() {
		t.Errorf("the message is %s", s.got[0].body)
	}
	if err := os.WriteFile(secret, []byte("another secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.post(t.Context(), isHeld()); err != nil {
		t.Fatal(err)
	}
	mac = hmac.New(sha256.New, []byte("another secret"))
	mac.Write(s.got[1].body)
	if got := s.got[1].header.Get("X-Signature"); got != fmt.Sprintf("sha256=%x", mac.Sum(nil)) {
		t.Error("a rotated secret is not used")
	}
}

func TestAChatGetsWordsThatCallNobody(t *testing.T) {
	s := newStub(t, http.StatusOK, "ok")
	t.Setenv("CHAT_URL", s.URL+"/services/"+canary)
	p := place(t, Chat{URL: Secret{What: "chat URL", Env: "CHAT_URL"}, Link: "https://l/{cluster}", CAFile: s.ca})
	n := isHeld()
	n.Text = "<!channel> @all `x` &\nnext"
	if err := p.post(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(s.got[0].fields["text"])
	want := ":warning: *orders* Held at `" + rev('a') + "`\n&lt;!channel&gt; @\u200ball 'x' &amp; next\nhttps://l/orders"
	if text != want || s.got[0].path != "/services/"+canary {
		t.Errorf("sent to %s:\n%s", s.got[0].path, text)
	}
}

// What a server answers tells whether, and when, it is tried again; and no
// answer brings a secret into an error, even one that says it back.
func TestWhatAServerAnswersTellsWhenToTryAgain(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name   string
		status int
		header map[string]string
		final  bool
		alone  bool
		after  time.Duration
	}{
		{"a wrong token", 401, nil, false, false, 0},
		{"not permitted", 403, nil, false, false, 0},
		{"an unknown repository or commit", 404, nil, false, true, 0},
		{"a malformed request", 400, nil, true, false, 0},
		{"too many statuses", 422, nil, true, false, 0},
		{"too often", 429, map[string]string{"Retry-After": "17"}, false, false, 17 * time.Second},
		{"too often, until a date", 429, map[string]string{"Retry-After": now.Add(time.Hour).UTC().Format(http.TimeFormat)}, false, false, time.Hour},
		{"GitHub's second limit", 403, map[string]string{"Retry-After": "60"}, false, false, time.Minute},
		{"GitHub's first limit", 403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(now.Add(time.Hour).Unix())}, false, false, time.Hour},
		{"nonsense", 429, map[string]string{"Retry-After": "soon"}, false, false, 0},
		{"broken", 500, nil, false, false, 0},
		{"a gateway", 502, nil, false, false, 0},
		{"closed for a while", 503, map[string]string{"Retry-After": "5"}, false, false, 5 * time.Second},
		{"elsewhere", 307, map[string]string{"Location": "https://127.0.0.1:1/steal"}, false, false, 0},
	} {
		for _, kind := range []string{"github", "gitlab", "gitea", "slack", "webhook"} {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				s := newStub(t, 0, "")
				s.answer = func(w http.ResponseWriter, r *http.Request) {
					for name, value := range c.header {
						w.Header().Set(name, value)
					}
					w.WriteHeader(c.status)
					fmt.Fprintf(w, "no\x1b[2J: %v %s %s", r.Header, r.RequestURI, canary)
				}
				err := everyPlace(t, s, kind).post(t.Context(), isHeld())
				var answer *refusal
				if !errors.As(err, &answer) {
					t.Fatalf("the error is %v", err)
				}
				near := answer.after - c.after
				if answer.final != c.final || answer.alone != c.alone || near.Abs() > 10*time.Second {
					t.Errorf("got %+v", answer)
				}
				if text := err.Error(); strings.Contains(text, "canary") || strings.Contains(text, "\x1b") || !strings.Contains(text, fmt.Sprint(c.status)) {
					t.Errorf("the error is %q", text)
				}
				if len(s.got) != 1 {
					t.Errorf("%d requests", len(s.got))
				}
			})
		}
	}
}

func everyPlace(t *testing.T, s *stub, kind string) *Place {
	t.Helper()
	secret := func(text string) Secret { return Secret{What: "secret", File: write(t, "secret", text)} }
	switch kind {
	case "slack":
		return place(t, Chat{URL: secret(s.URL + "/services/" + canary), CAFile: s.ca})
	case "webhook":
		return place(t, Webhook{URL: s.URL, Secret: secret(canary), CAFile: s.ca})
	}
	return place(t, s.commits(t, kind))
}

func TestAServerThatCantBeReachedIsToldWithoutItsSecret(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*stub)
		word string
	}{
		"it hangs":                      {func(s *stub) { s.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() } }, "no answer in time"},
		"it closes the connection":      {func(s *stub) { s.answer = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) } }, "EOF"},
		"it is gone":                    {func(s *stub) { s.Close() }, "refused"},
		"nobody vouches for it":         {func(s *stub) { s.ca = "" }, "certificate"},
		"the authorities can't be read": {func(s *stub) { s.ca = "nowhere.crt" }, "nowhere.crt"},
	} {
		for _, kind := range []string{"github", "slack", "webhook"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				s := newStub(t, 200, "")
				c.do(s)
				p := everyPlace(t, s, kind)
				deliver := p.deliver
				p.deliver = func(ctx context.Context, r request) error {
					ctx, cancel := context.WithTimeout(ctx, time.Second)
					defer cancel()
					return deliver(ctx, r)
				}
				err := p.post(t.Context(), isHeld())
				if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), c.word) {
					t.Errorf("the error is %v", err)
				}
			})
		}
	}
}

func TestGitLabMayHaveAStatusAlready(t *testing.T) {
	s := newStub(t, http.StatusBadRequest, `{"message":"Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via \"enqueue\")"}`)
	if err := place(t, s.commits(t, "gitlab")).post(t.Context(), isHeld()); err != nil {
		t.Errorf("it is refused: %v", err)
	}
	if err := place(t, s.commits(t, "github")).post(t.Context(), isHeld()); err == nil {
		t.Error("GitHub has no such answer")
	}
}

func TestSecretsAreNotSentWhereTheyCouldBeRead(t *testing.T) {
	token := Secret{What: "token", File: write(t, "token", canary)}
	good := Commits{API: "github", URL: "https://api.github.com", Repo: "a/b", Token: token}
	place(t, good)
	chat := func(url string) Chat { return Chat{URL: Secret{What: "chat URL", File: write(t, "url", url)}} }
	for name, of := range map[string]interface{ Place() (*Place, error) }{
		"a token over http":          Commits{API: "github", URL: "http://api.example.com", Repo: "a/b", Token: token},
		"a URL with a user":          Commits{API: "github", URL: "https://u:" + canary + "@api.example.com", Repo: "a/b", Token: token},
		"an API there is none of":    Commits{API: "svn", URL: "https://api.example.com", Repo: "a/b", Token: token},
		"no repository":              Commits{API: "github", URL: "https://api.example.com", Repo: "a", Token: token},
		"no token":                   Commits{API: "github", URL: "https://api.example.com", Repo: "a/b", Token: Secret{What: "token"}},
		"a token that is not there":  Commits{API: "github", URL: "https://api.example.com", Repo: "a/b", Token: Secret{What: "token", File: "nowhere"}},
		"an empty token":             Commits{API: "github", URL: "https://api.example.com", Repo: "a/b", Token: Secret{What: "token", File: write(t, "x", "\n")}},
		"a token of two lines":       Commits{API: "github", URL: "https://api.example.com", Repo: "a/b", Token: Secret{What: "token", File: write(t, "x", canary+"\n"+canary)}},
		"a chat over http":           chat("http://chat.example.com/" + canary),
		"a chat that is no URL":      chat(canary),
		"a variable that is not set": Chat{URL: Secret{What: "chat URL", Env: "NOT_SET_ANYWHERE"}},
		"a webhook of a file":        Webhook{URL: "file:///etc/" + canary, Secret: token},
		"a webhook without secret":   Webhook{URL: "https://example.com"},
	} {
		if _, err := of.Place(); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALedgerThatIsBrokenIsNotBelieved(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "{", "another format": `{"formatVersion":2,"places":{}}`, "nothing": "", "a list": "[]",
	} {
		l, err := OpenLedger(write(t, "told.json", text))
		if err == nil || l.told("github", "orders") != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := l.note("github", isHeld()); err != nil || l.told("github", "orders").Key != "Held ShrinkTo/n6" {
			t.Errorf("%s: after it, %v", name, err)
		}
	}
	if l, err := OpenLedger(write(t, "told.json", `{"formatVersion":1,"places":null}`)); err != nil || l.note("github", isHeld()) != nil {
		t.Errorf("one without places: %v", err)
	}
}

func TestWhatAKilledWriterOfALedgerLeftIsSweptUp(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, ".told.json.new-1")
	if err := os.WriteFile(left, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	ledger(t, dir)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", left, err)
	}
}
