//go:build e2e

package e2e

import (
	"encoding/pem"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// secret is a file with a word that must show up nowhere else.
func (b *bench) secret(name, word string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, "secrets", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(word+"\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// serve serves the repository over HTTPS to who knows the password, and returns
// its URL and the file of its certificate.
func (r *repo) serve(b *bench, password string) (url, ca string) {
	r.t.Helper()
	backend := &cgi.Handler{
		Path: filepath.Join(r.git("--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + b.dir, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + b.dir},
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, given, _ := req.BasicAuth(); given != password {
			http.Error(w, "not you, "+given, http.StatusUnauthorized) // an echo, as the worst servers have it
			return
		}
		backend.ServeHTTP(w, req)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	r.t.Cleanup(s.Close)
	ca = filepath.Join(b.dir, "git-ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return s.URL + "/" + filepath.Base(r.bare), ca
}

// leaks are the places outside of the secrets' own files where a daemon left
// the word, among its log, what it serves, and what it keeps.
func (d *daemon) leaks(word string) []string {
	d.b.t.Helper()
	var out []string
	look := func(where, text string) {
		if strings.Contains(text, word) {
			out = append(out, where)
		}
	}
	look("log", d.words())
	for _, path := range []string{"/metrics", "/api/v1/status", "/healthz", "/readyz"} {
		look(path, d.get(path))
	}
	state := filepath.Join(d.b.dir, "state")
	if err := filepath.WalkDir(state, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		look(path, string(text))
		return err
	}); err != nil {
		d.b.t.Fatal(err)
	}
	return out
}

// With secrets in every place for one, right ones and wrong ones, none shows up
// in the log, in what is served or in what is kept.
func TestNoSecretShowsUpAnywhere(t *testing.T) {
	b := newBench(t, livetest.Options{Servers: 3, Password: canary + "servers"})
	r := newRepo(b)
	with := func(more string) map[string]string {
		return map[string]string{"prod/orders.yaml": b.text(shape{masters: 3, nodes: first(3), more: "  auth: {password: {file: password}}\n" + more})}
	}
	good := r.commit("create", with(""))
	url, ca := r.serve(b, canary+"git")
	b.secret("files/prod/password", canary+"servers")
	args := []string{
		"--git-ca-file", ca, "--git-password-file", b.secret("git", canary+"git"), "--hook-secret-file", b.secret("hook", canary+"hook-of-16-or-more"),
		"--files", filepath.Join(b.dir, "secrets", "files"), "--branch", "main", "--log-format", "text",
	}
	d := b.follow(url, args...)
	d.until("the cluster is made", time.Minute, func() bool {
		now := d.tells()
		return len(now.Clusters) == 1 && now.Clusters[0].Revision == good && now.Clusters[0].InSync != nil && *now.Clusters[0].InSync
	})

	r.commit("a password in the file", with("  config: {requirepass: "+canary+"typed}\n"))
	d.until("the mistake is told", time.Minute, func() bool { return len(d.tells().Source.Mistakes) > 0 })
	r.commit("a password for a path", map[string]string{"prod/orders.yaml": strings.Replace(with("")["prod/orders.yaml"], "{file: password}", canary+"bare", 1)})
	d.until("that, too", time.Minute, func() bool { return strings.Contains(strings.Join(d.tells().Source.Mistakes, " "), "password") })
	b.secret("git", canary+"wrong")
	d.until("git refuses", time.Minute, func() bool { return d.tells().Source.Error != "" })
	if code := d.hook(canary+"another", "refs/heads/main"); code != http.StatusForbidden {
		t.Errorf("a wrong hook secret: status %d", code)
	}
	if got := d.leaks(canary); len(got) > 0 {
		t.Errorf("a secret is in %v", got)
	}
	d.stop()

	b.secret("files/prod/password", canary+"not-it")
	d = b.follow(url, args...)
	d.until("the servers refuse", time.Minute, func() bool {
		now := d.tells()
		return len(now.Clusters) == 1 && (now.Clusters[0].InSync == nil || !*now.Clusters[0].InSync) && strings.Contains(d.words(), "WRONGPASS")
	})
	if got := d.leaks(canary); len(got) > 0 {
		t.Errorf("a secret is in %v", got)
	}
	d.stop()
}
