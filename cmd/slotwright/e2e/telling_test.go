//go:build e2e

package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// heard is a server that takes statuses of commits, messages for people and
// signed ones, and refuses all while it is down.
type heard struct {
	mu       sync.Mutex
	down     bool
	statuses []string // commit, context, state
	texts    []string // of statuses
	links    []string
	chat     []string
	hooks    []string // cluster, state
	forged   int
}

// forge is what is particular about the API of a git server, as its
// documentation of statuses of commits has it.
type forge struct {
	path, context  string // the pattern of the path, the field for the context
	header, scheme string // where the token is, and what is before it
	failure, never string // states; never is of a commit that is not reached any more
}

var forges = map[string]forge{
	"github": {"/repos/team/redis/statuses/{sha}", "context", "Authorization", "Bearer ", "failure", "error"},
	"gitlab": {"/projects/team%2Fredis/statuses/{sha}", "name", "Private-Token", "", "failed", "canceled"},
	"gitea":  {"/repos/team/redis/statuses/{sha}", "context", "Authorization", "token ", "failure", "error"},
}

// hears starts a stub of a git server's API and of two webhooks, and returns the
// flags that make a daemon use it.
func (b *bench) hears(canary, api string) (*heard, []string) {
	b.t.Helper()
	h := &heard{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+forges[api].path, func(w http.ResponseWriter, r *http.Request) { h.status(forges[api], canary+"token", w, r) })
	mux.HandleFunc("POST /chat/{key}", func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Text string }
		if r.PathValue("key") == canary+"chat" && json.NewDecoder(r.Body).Decode(&m) == nil {
			h.chat = append(h.chat, m.Text)
		}
	})
	mux.HandleFunc("POST /hook", func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte(canary+"hook"))
		mac.Write(body)
		var m struct{ Cluster, State string }
		if err != nil || r.Header.Get("X-Signature") != fmt.Sprintf("sha256=%x", mac.Sum(nil)) || json.Unmarshal(body, &m) != nil {
			h.forged++
			return
		}
		h.hooks = append(h.hooks, m.Cluster+" "+m.State)
	})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.down {
			http.Error(w, "down: "+r.Header.Get("Authorization")+r.RequestURI, http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	b.t.Cleanup(s.Close)
	ca := filepath.Join(b.dir, "tell-ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.env = append(b.env, "TELL_TOKEN="+canary+"token")
	return h, []string{
		"--status-api", api, "--status-url", s.URL, "--status-repo", "team/redis", "--status-context", "redis/prod", "--status-token-env", "TELL_TOKEN",
		"--slack-url-file", b.secret("chat", s.URL+"/chat/"+canary+"chat"), "--webhook-url", s.URL + "/hook", "--webhook-secret-file", b.secret("webhook", canary+"hook"),
		"--tell-ca-file", ca, "--link", "https://dashboard.example.com/?cluster={cluster}",
	}
}

// status takes one status. It needs h.mu.
func (h *heard) status(f forge, token string, w http.ResponseWriter, r *http.Request) {
	var s map[string]string
	if r.Header.Get(f.header) != f.scheme+token || json.NewDecoder(r.Body).Decode(&s) != nil {
		http.Error(w, "not you: "+r.Header.Get(f.header), http.StatusUnauthorized)
		return
	}
	h.statuses = append(h.statuses, strings.Join([]string{"main@sha1:" + r.PathValue("sha"), s[f.context], s["state"]}, " "))
	h.texts, h.links = append(h.texts, s["description"]), append(h.links, s["target_url"])
	w.WriteHeader(http.StatusCreated)
}

func (h *heard) set(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

// of are the states a commit went through.
func (h *heard) of(revision, context string) string { return h.all()[revision+" "+context] }

// all are the states that every commit went through, by commit and context.
func (h *heard) all() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]string{}
	for _, s := range h.statuses {
		at := strings.LastIndex(s, " ")
		out[s[:at]] = strings.TrimSpace(out[s[:at]] + s[at:])
	}
	return out
}

// A commit is pending, then a success or a failure that says what lifts it; a
// mistake is a failure of the source. While the server is down the daemon works
// on, and tells the newest when it is back. A restart tells nothing twice, and no
// secret shows up anywhere.
func TestACommitShowsWhatBecameOfIt(t *testing.T) {
	const canary = "canary-4d-"
	b := newBench(t, livetest.Options{Servers: 4})
	r := newRepo(b)
	h, args := b.hears(canary, "github")
	at := func(n int) map[string]string {
		return map[string]string{"orders.yaml": b.text(shape{masters: n, nodes: first(n)})}
	}
	args = append(args, "--branch", "main")
	d := b.follow("file://"+r.bare, args...)
	becomes := func(what, revision, context, want string) {
		t.Helper()
		if !livetest.Eventually(time.Minute, func() bool { return h.of(revision, context) == want }) {
			t.Fatalf("%s: the statuses of %s are %q, want %q", what, context, h.of(revision, context), want)
		}
	}
	create := r.commit("create", at(4))
	becomes("create", create, "redis/prod/orders", "pending success")
	becomes("create", create, "redis/prod", "success")
	words := r.commit("words", map[string]string{"orders.yaml": at(4)["orders.yaml"], "README.md": "words"})
	becomes("a commit that changes nothing", words, "redis/prod/orders", "success")
	shrink := r.commit("shrink", at(1))
	becomes("a shrink without permission", shrink, "redis/prod/orders", "pending failure")
	h.mu.Lock()
	last := len(h.texts) - 1
	mentions(t, h.texts[last], "Held", "ShrinkTo")
	if h.links[last] != "https://dashboard.example.com/?cluster=orders" {
		t.Errorf("the status leads to %s", h.links[last])
	}
	h.mu.Unlock()
	typo := r.commit("typo", map[string]string{"orders.yaml": strings.Replace(at(4)["orders.yaml"], "masters:", "mastres:", 1)})
	becomes("a typo", typo, "redis/prod", "failure")
	agreed := func(last string) func() bool {
		return func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return len(h.hooks) > 0 && h.hooks[len(h.hooks)-1] == last && slices.Equal(h.hooks, chatStates(h.chat))
		}
	}
	d.until("the chats hear of the typo", time.Minute, agreed(" Mistaken"))

	h.set(true)
	r.commit("back, unseen", at(4))
	four := r.commit("back", map[string]string{"orders.yaml": at(4)["orders.yaml"], "README.md": "more words"})
	d.reaches(four, 4)
	d.until("it can't tell", time.Minute, func() bool {
		return strings.Contains(d.get("/metrics"), `slotwright_notes_total{result="failed",to="github"}`)
	})
	h.set(false)
	becomes("told when the server is back", four, "redis/prod/orders", "success")
	if got := d.leaks(canary); len(got) > 0 {
		t.Errorf("a secret is in %v", got)
	}
	d.until("the chats hear that all is well", time.Minute, agreed("orders InSync"))
	d.stop()

	h.mu.Lock()
	before := len(h.statuses) + len(h.chat) + len(h.hooks)
	h.mu.Unlock()
	d = b.follow("file://"+r.bare, args...)
	d.reaches(four, 4)
	shrunk := r.commit("three", at(3)) // what is told of it comes after all that a restart might tell again
	becomes("after a restart", shrunk, "redis/prod/orders", "pending success")
	d.until("the chats hear of it", time.Minute, agreed("orders InSync"))
	h.mu.Lock()
	defer h.mu.Unlock()
	// Two states of the cluster and one of the source; twice two messages.
	if got := len(h.statuses) + len(h.chat) + len(h.hooks) - before; got != 7 || h.forged > 0 {
		t.Errorf("%d told after a restart, %d forged: %v\n%v\n%v", got, h.forged, h.statuses, h.chat, h.hooks)
	}
	if got := d.leaks(canary); len(got) > 0 {
		t.Errorf("a secret is in %v", got)
	}
	d.stop()
}

// chatStates are messages for people as the webhook has them.
func chatStates(texts []string) []string {
	var out []string
	for _, text := range texts {
		words := strings.Fields(text) // sign, *subject*, state
		subject := strings.Trim(words[1], "*")
		if strings.Contains(subject, "/") {
			subject = "" // the source
		}
		out = append(out, subject+" "+words[2])
	}
	return out
}
