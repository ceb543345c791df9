package serve

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// Hooks are the webhooks by which git servers tell of a push. A call proves that
// it comes from one who knows the secret, and then has the source looked at;
// nothing it says is believed. A call that is repeated does no more than that.
type Hooks struct {
	// Secret reads the secret that all hooks share, for each call anew. Nil
	// turns the hooks off.
	Secret func() ([]byte, error)
	// Ref is the full name of the reference that is followed, such as
	// refs/heads/main; pushes elsewhere are passed over. Empty follows all.
	Ref string
	// Wake has the source looked at. It must not block, and coalesce calls.
	Wake func()
	// Told counts how each call ended, by provider. It may be nil.
	Told func(provider, result string)
	Log  *slog.Logger
}

// bodyBytes bounds a call. Pushes of many commits are cut short by all servers
// that are known here well below it.
const bodyBytes = 1 << 20

// signatures tell how each git server proves that it knows the secret: GitHub's
// X-Hub-Signature-256, Gitea's X-Gitea-Signature and GitLab's X-Gitlab-Token as
// their documentation of webhooks has them. generic is for everything else:
// X-Signature: sha256=<hex of the HMAC-SHA256 of the body>.
var signatures = map[string]func(h http.Header, body, secret []byte) bool{
	"github": func(h http.Header, body, secret []byte) bool {
		return signed(h, "X-Hub-Signature-256", "sha256=", body, secret)
	},
	"gitea": func(h http.Header, body, secret []byte) bool { return signed(h, "X-Gitea-Signature", "", body, secret) },
	"generic": func(h http.Header, body, secret []byte) bool {
		return signed(h, "X-Signature", "sha256=", body, secret)
	},
	"gitlab": func(h http.Header, _, secret []byte) bool {
		// Of equal length whatever was sent, so that the time to compare
		// tells nothing.
		got, want := sha256.Sum256([]byte(h.Get("X-Gitlab-Token"))), sha256.Sum256(secret)
		return subtle.ConstantTimeCompare(got[:], want[:]) == 1
	},
}

func signed(h http.Header, name, prefix string, body, secret []byte) bool {
	text, ok := strings.CutPrefix(h.Get(name), prefix)
	got, err := hex.DecodeString(text)
	if !ok || err != nil {
		return false
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hmac.Equal(got, mac.Sum(nil))
}

func (k Hooks) serve(provider string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, result := k.take(provider, w, r)
		if k.Told != nil {
			k.Told(provider, result)
		}
		w.WriteHeader(status)
		fmt.Fprintln(w, result)
	}
}

// take judges one call.
func (k Hooks) take(provider string, w http.ResponseWriter, r *http.Request) (status int, result string) {
	if k.Secret == nil {
		return http.StatusNotFound, "off"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytes))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, "too large"
	case err != nil:
		return http.StatusBadRequest, "unreadable"
	}
	secret, err := k.Secret()
	if err != nil {
		k.Log.Error("webhooks are refused", "error", err)
		return http.StatusServiceUnavailable, "no secret"
	}
	if !signatures[provider](r.Header, body, secret) {
		return http.StatusForbidden, "refused"
	}
	if k.elsewhere(body) {
		return http.StatusOK, "ignored"
	}
	k.Wake()
	return http.StatusAccepted, "accepted"
}

// elsewhere reports whether a body is sure to tell of a push to another
// reference than the one followed.
func (k Hooks) elsewhere(body []byte) bool {
	var push struct {
		Ref any `json:"ref"`
	}
	if k.Ref == "" || json.Unmarshal(body, &push) != nil {
		return false
	}
	ref, ok := push.Ref.(string)
	return ok && strings.HasPrefix(ref, "refs/") && ref != k.Ref
}
