package tell

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// line is how to reach a server.
type line struct {
	caFile  string        // authorities to trust beside the system's; read for every note
	timeout time.Duration // of one attempt, answer included
	// there says that an answer with this status and body means that the server
	// has it already. It may be nil.
	there func(status int, body string) bool
}

const attempt = 15 * time.Second

// request is one POST of JSON.
type request struct {
	url     string
	header  http.Header
	body    any
	sign    func(h http.Header, body []byte) // adds a signature; may be nil
	secrets []string                         // what no error may have
}

// post sends a request. What comes back as an error has no secret in it, even
// if the server says back what it was sent.
func (l line) post(ctx context.Context, r request) error {
	body, err := json.Marshal(r.body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL is none") // the error has it, and it may be a secret
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "slotwright")
	if r.sign != nil {
		r.sign(req.Header, body)
	}
	client, err := l.client()
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %s", req.URL.Host, masked(reason(err), r.secrets))
	}
	defer res.Body.Close()
	const most = 4 << 10
	text, _ := io.ReadAll(io.LimitReader(res.Body, most)) // the status says what counts
	if res.StatusCode/100 == 2 || l.there != nil && l.there(res.StatusCode, string(text)) {
		return nil
	}
	return refusalOf(req.URL.Host, res, masked(string(text), r.secrets), time.Now())
}

// reason is an error of a client without the URL, which may be a secret.
func reason(err error) string {
	var outer *url.Error
	if errors.As(err, &outer) {
		if outer.Timeout() {
			return "no answer in time"
		}
		err = outer.Err
	}
	return err.Error()
}

// client is made for each attempt: these are rare, and files may have changed.
// Redirects are not followed: a token is for one server.
func (l line) client() (*http.Client, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.caFile != "" {
		text, err := os.ReadFile(l.caFile)
		if err != nil {
			return nil, fmt.Errorf("read the authorities: %w", err)
		}
		if conf.RootCAs, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("read the system's authorities: %w", err)
		}
		if !conf.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read the authorities: no certificate in %s", l.caFile)
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, DisableKeepAlives: true,
			TLSHandshakeTimeout: l.timeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// refusalOf says what an answer means for the next attempt. 400 and 422 are
// about what was sent, so it is not sent again. 404 may be about the commit, or
// a token that does not see the repository. Everything else is about the server
// or the token, and all notes would meet it.
func refusalOf(host string, res *http.Response, text string, now time.Time) *refusal {
	r := refusalf("%s answers %s", host, res.Status)
	if text != "" {
		r.text += ": " + text
	}
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		r.final = true
	case http.StatusNotFound:
		r.alone = true
	default:
		r.after = after(res.Header, now)
	}
	return r
}

// after is how long a server wants not to be asked: by Retry-After (RFC 9110,
// 10.2.3), or by GitHub's and Gitea's count of calls that are left.
func after(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	if h.Get("X-Ratelimit-Remaining") == "0" {
		if n, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
			return time.Unix(n, 0).Sub(now)
		}
	}
	return 0
}

// masked is what a server says, without secrets, in one short line.
func masked(text string, secrets []string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.NewReplacer(s, "***", url.QueryEscape(s), "***", url.PathEscape(s), "***").Replace(text)
		}
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return short(strings.Join(strings.Fields(text), " "), 300)
}

// short cuts text to so many characters.
func short(text string, most int) string {
	all := []rune(text)
	if len(all) <= most {
		return text
	}
	return string(all[:most-3]) + "..."
}
