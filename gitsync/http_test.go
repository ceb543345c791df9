package gitsync

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
)

// canary is the secret of these tests: it must never be printed.
const canary = "canary-4f1c9a/+= secret"

// private is the options for a TLS server that asks for a password, with its
// authority and the password in files.
func (s *server) private(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	o := Options{URL: s.URL + "/topology.git"}
	o.Auth.CAFile = filepath.Join(dir, "ca.crt")
	o.Auth.PasswordFile = filepath.Join(dir, "password")
	write(t, o.Auth.CAFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	writeSecret(t, o.Auth.PasswordFile, canary+"\n")
	return o
}

// password answers requests that lack the password.
func password(word string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, req *http.Request) bool {
		if user, got, _ := req.BasicAuth(); user == "git" && got == word {
			return false
		}
		// A careless proxy, or a wicked server, sends back what it was sent.
		http.Error(w, "denied: "+req.Header.Get("Authorization")+" "+fmt.Sprint(req.BasicAuth()), http.StatusUnauthorized)
		return true
	}
}

// silent fails when an error prints the secret in any form.
func silent(t *testing.T, err error) {
	t.Helper()
	for _, form := range []string{canary, "canary", "Y2FuYXJ5", "OmNhbmFye", "pjYW5hcn"} {
		if err != nil && strings.Contains(err.Error(), form) {
			t.Errorf("the error prints the secret: %v", err)
		}
	}
}

func TestARotatedPasswordIsReadAgain(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	var word atomic.Value
	word.Store(canary)
	srv := r.serve(encrypted(t), func(w http.ResponseWriter, req *http.Request) bool {
		return password(word.Load().(string))(w, req)
	})
	o := srv.private(t)
	s := open(t, o)
	have := mustNext(t, s, "").Revision
	word.Store("rotated")
	_, err := next(t, s, have)
	if err == nil || !strings.Contains(err.Error(), "authentication required") {
		t.Errorf("with the old password: %v", err)
	}
	silent(t, err)
	remove(t, o.Auth.PasswordFile)
	s.Wake()
	if _, err = next(t, s, have); err == nil || !strings.Contains(err.Error(), "read the password") {
		t.Errorf("without the file: %v", err)
	}
	writeSecret(t, o.Auth.PasswordFile, "rotated")
	s.Wake()
	r.write("a.yaml", "two")
	r.commit("second")
	if got := mustNext(t, s, have); read(t, got, "a.yaml") != "two" {
		t.Error("the rotated password was not read")
	}
}

func TestABearerTokenIsSent(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	srv := r.serve(encrypted(t), nil)
	o := srv.private(t)
	o.Auth.TokenFile, o.Auth.PasswordFile = o.Auth.PasswordFile, ""
	mustNext(t, open(t, o), "")
	if got := srv.auth.Load(); got != "Bearer "+canary {
		t.Errorf("sent %q", got)
	}
}

func TestAnUnknownAuthorityIsRefused(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	srv := r.serve(encrypted(t), nil)
	o := srv.private(t)
	o.Auth.CAFile = ""
	silent(t, refused(t, open(t, o), "certificate"))
	if srv.hits.Load() != 0 {
		t.Error("a request was sent")
	}
}

func TestCredentialsDoNotFollowARedirectToAnotherHost(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	var leaked atomic.Value
	var visits atomic.Int64
	evil := listen(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		visits.Add(1)
		leaked.Store(fmt.Sprint(req.Header))
	}), encrypted(t))
	for _, target := range []string{
		evil.URL,
		strings.Replace(evil.URL, loopback, "localhost", 1),
		strings.Replace(evil.URL, "https", "http", 1),
		"file:///etc",
	} {
		srv := r.serve(encrypted(t), func(w http.ResponseWriter, req *http.Request) bool {
			http.Redirect(w, req, target+req.URL.String(), http.StatusFound)
			return true
		})
		silent(t, refused(t, open(t, srv.private(t)), "redirect"))
	}
	if visits.Load() != 0 {
		t.Errorf("the other host was visited %d times, last with %v", visits.Load(), leaked.Load())
	}
}

func TestOnlyTheSameHostIsTheSameHost(t *testing.T) {
	for _, c := range []struct {
		from, to string
		same     bool
	}{
		{"https://git.example.com/x", "https://git.example.com/y", true},
		{"https://git.example.com/x", "https://GIT.example.com:443/y", true},
		{"http://git.example.com/x", "https://git.example.com/x", true},
		{"https://git.example.com/x", "https://evil.example.com/x", false},
		{"https://git.example.com/x", "https://git.example.com.evil.com/x", false},
		{"https://git.example.com/x", "https://git.example.com:8443/x", false},
		{"https://git.example.com/x", "http://git.example.com/x", false},
		{"http://git.example.com/x", "https://evil.example.com/x", false},
	} {
		var requests []*http.Request
		for _, url := range []string{c.from, c.to} {
			req, err := http.NewRequest(http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			requests = append(requests, req)
		}
		if err := sameHost(requests[1], requests[:1]); (err == nil) != c.same {
			t.Errorf("from %s to %s: %v", c.from, c.to, err)
		}
	}
}

func TestARedirectWithinTheHostIsFollowed(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	srv := r.serve(encrypted(t), func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasPrefix(req.URL.Path, "/old/") {
			return password(canary)(w, req)
		}
		http.Redirect(w, req, strings.TrimPrefix(req.URL.String(), "/old"), http.StatusMovedPermanently)
		return true
	})
	o := srv.private(t)
	o.URL = srv.URL + "/old/topology.git"
	mustNext(t, open(t, o), "")
}

func TestARedirectLoopEnds(t *testing.T) {
	r := newRepo(t)
	srv := r.serve(nil, func(w http.ResponseWriter, req *http.Request) bool {
		http.Redirect(w, req, req.URL.String(), http.StatusFound)
		return true
	})
	refused(t, open(t, Options{URL: srv.URL + "/topology.git"}), "redirect")
}

// advertise writes the list of references of a server that has one branch.
func advertise(w http.ResponseWriter, refs ...string) {
	w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
	e := pktline.NewEncoder(w)
	_ = e.EncodeString("# service=git-upload-pack\n")
	_ = e.Flush()
	for i, ref := range refs {
		if i == 0 {
			ref += "\x00ofs-delta shallow side-band-64k"
		}
		_ = e.EncodeString(ref + "\n")
	}
}

const someHash = "1111111111111111111111111111111111111111"

// hostile is a server that answers the list as list says and the request for
// a pack as pack says.
func hostile(t *testing.T, list, pack http.HandlerFunc) *httptest.Server {
	t.Helper()
	if list == nil {
		list = func(w http.ResponseWriter, _ *http.Request) {
			advertise(w, someHash+" HEAD", someHash+" refs/heads/main")
			_ = pktline.NewEncoder(w).Flush()
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /topology.git/info/refs", list)
	if pack != nil {
		mux.HandleFunc("POST /topology.git/git-upload-pack", func(w http.ResponseWriter, req *http.Request) {
			// Only with the body read does the server notice who hangs up.
			_, _ = io.Copy(io.Discard, req.Body)
			pack(w, req)
		})
	}
	return listen(t, mux, nil)
}

// shallow begins the answer to a request for one commit.
func shallow(w http.ResponseWriter) *pktline.Encoder {
	e := pktline.NewEncoder(w)
	_ = e.EncodeString("shallow " + someHash + "\n")
	_ = e.Flush()
	_ = e.EncodeString("NAK\n")
	return e
}

func TestAServerThatMeansIllIsRefusedInBoundedTimeAndMemory(t *testing.T) {
	stall := func(w http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	for name, c := range map[string]struct {
		list, pack http.HandlerFunc
		words      []string
	}{
		"silent from the start": {stall, nil, []string{"no end after 1s"}},
		"silent in the list": {func(w http.ResponseWriter, req *http.Request) {
			advertise(w, someHash+" HEAD")
			_ = http.NewResponseController(w).Flush()
			stall(w, req)
		}, nil, []string{"no end after 1s"}},
		"silent before the pack": {nil, stall, []string{"no end after 1s"}},
		"silent in the pack": {nil, func(w http.ResponseWriter, req *http.Request) {
			_ = shallow(w).EncodeString("\x01PACK\x00\x00\x00\x02")
			_ = http.NewResponseController(w).Flush()
			stall(w, req)
		}, []string{"no end after 1s"}},
		"a byte now and then": {nil, func(w http.ResponseWriter, req *http.Request) {
			for e := shallow(w); req.Context().Err() == nil; time.Sleep(20 * time.Millisecond) {
				_ = e.EncodeString("\x01P")
				_ = http.NewResponseController(w).Flush()
			}
		}, []string{"no end after 1s"}},
		"references without end": {func(w http.ResponseWriter, req *http.Request) {
			advertise(w, someHash+" HEAD")
			for i := 0; req.Context().Err() == nil; i++ {
				_ = pktline.NewEncoder(w).Encodef("%s refs/heads/b%d\n", someHash, i)
			}
		}, nil, []string{"cap RefBytes"}},
		"a pack without end": {nil, func(w http.ResponseWriter, req *http.Request) {
			for e := shallow(w); req.Context().Err() == nil; {
				_ = e.EncodeString("\x01" + strings.Repeat("x", 60_000))
			}
		}, []string{"cap PackBytes"}},
		"progress without end": {nil, func(w http.ResponseWriter, req *http.Request) {
			for e := shallow(w); req.Context().Err() == nil; {
				_ = e.EncodeString("\x02" + strings.Repeat("x", 60_000))
			}
		}, []string{"cap PackBytes"}},
		"an error without end": {func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			for req.Context().Err() == nil {
				_, _ = w.Write(make([]byte, 60_000))
			}
		}, nil, []string{"cap RefBytes"}},
		"a page instead of a list": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("<html>sign in</html>"))
		}, nil, []string{"list references"}},
		"an error in the pack": {nil, func(w http.ResponseWriter, _ *http.Request) {
			_ = shallow(w).EncodeString("\x03out of \x1b[31mluck\n")
		}, []string{"out of", "luck"}},
		"an empty answer": {nil, func(http.ResponseWriter, *http.Request) {}, []string{"fetch " + someHash}},
		"a truncated pack": {nil, func(w http.ResponseWriter, _ *http.Request) {
			_ = shallow(w).EncodeString("\x01PACK\x00\x00\x00\x02\x00\x00\x00\x09")
		}, []string{"read the pack"}},
		"a pack of nothing": {nil, func(w http.ResponseWriter, _ *http.Request) {
			e := shallow(w)
			_ = e.EncodeString("\x01" + string(emptyPack()))
			_ = e.Flush()
		}, []string{"commit " + someHash, "did not send it"}},
		"a pack with a wrong checksum": {nil, func(w http.ResponseWriter, _ *http.Request) {
			e, p := shallow(w), emptyPack()
			p[len(p)-1] ^= 1
			_ = e.EncodeString("\x01" + string(p))
			_ = e.Flush()
		}, []string{"checksum"}},
		"not found":   {func(w http.ResponseWriter, req *http.Request) { http.NotFound(w, req) }, nil, []string{"repository not found"}},
		"bad gateway": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, nil, []string{"502"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{URL: hostile(t, c.list, c.pack).URL + "/topology.git", Timeout: time.Second}
			o.Caps.RefBytes, o.Caps.PackBytes = mib, mib
			if !strings.Contains(c.words[0], "1s") {
				o.Timeout = 20 * time.Second
			}
			before, peak := heap(), watchHeap(t)
			err := refused(t, open(t, o), c.words...)
			if grown := int64(peak()) - int64(before); grown > 32*mib {
				t.Errorf("the heap grew by %d MiB", grown/mib)
			}
			if strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("the error prints the server's control characters: %q", err)
			}
		})
	}
}

func emptyPack() []byte { return sealed([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00")) }

// sealed adds the checksum of a pack.
func sealed(pack []byte) []byte {
	h := plumbing.NewHasher(plumbing.AnyObject, 0)
	h.Hash.Reset()
	_, _ = h.Write(pack)
	sum := h.Sum()
	return append(pack, sum[:]...)
}

func TestAPushBetweenListAndFetchChangesNothing(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	first := r.commit("first")
	pushed := false
	srv := r.serve(nil, func(_ http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodPost && !pushed {
			pushed = true
			r.write("a.yaml", "two")
			r.commit("second")
		}
		return false
	})
	got := mustNext(t, open(t, Options{URL: srv.URL + "/topology.git"}), "")
	if got.Revision != "main@sha1:"+first || read(t, got, "a.yaml") != "one" {
		t.Errorf("got %s with %q: revision and content are of two commits", got.Revision, read(t, got, "a.yaml"))
	}
}

func TestAnUnreachableServerIsAnErrorOfTheAttempt(t *testing.T) {
	for _, url := range []string{"http://" + loopback + ":1/x.git", "http://no-such-host.invalid/x.git"} {
		s := open(t, Options{URL: url, Timeout: 10 * time.Second})
		err := refused(t, s, "pull http://")
		if errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
}
