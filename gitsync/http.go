package gitsync

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// httpSession is go-git's session over a client of our own, whose idle
// connections end with it.
type httpSession struct {
	transport.UploadPackSession
	rt *http.Transport
}

func (s httpSession) Close() error {
	defer s.rt.CloseIdleConnections()
	return s.UploadPackSession.Close()
}

func (l line) openHTTP() (session, error) {
	rt, err := l.roundTripper()
	if err != nil {
		return nil, err
	}
	auth, err := l.httpAuth()
	if err != nil {
		return nil, err
	}
	endpoint, err := transport.NewEndpoint((&url.URL{Scheme: l.to.scheme, Host: l.to.host, Path: l.to.path}).String())
	if err != nil {
		return nil, fmt.Errorf("repository URL: %w", err)
	}
	client := githttp.NewClientWithOptions(
		&http.Client{Transport: metered{rt, l.meter}, CheckRedirect: sameHost},
		&githttp.ClientOptions{RedirectPolicy: githttp.FollowInitialRedirects})
	s, err := client.NewUploadPackSession(endpoint, auth)
	if err != nil {
		return nil, err
	}
	return httpSession{s, rt}, nil
}

func (l line) roundTripper() (*http.Transport, error) {
	conf, err := l.auth.tlsConfig()
	if err != nil {
		return nil, err
	}
	rt := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 * kib,
		ForceAttemptHTTP2:      true,
	}
	via, err := l.proxyURL()
	if via != nil {
		rt.Proxy = http.ProxyURL(via)
	}
	return rt, err
}

// httpAuth reads the credentials. It returns a nil interface when there are
// none, which go-git takes for anonymous.
func (l line) httpAuth() (transport.AuthMethod, error) {
	switch {
	case l.auth.TokenFile != "":
		token, err := secret("token", l.auth.TokenFile)
		if err != nil {
			return nil, err
		}
		l.mask.hide(token)
		return &githttp.TokenAuth{Token: token}, nil
	case l.auth.PasswordFile != "":
		password, err := secret("password", l.auth.PasswordFile)
		if err != nil {
			return nil, err
		}
		l.mask.hideBasic(l.username(), password)
		return &githttp.BasicAuth{Username: l.username(), Password: password}, nil
	}
	return nil, nil
}

func (l line) username() string {
	for _, name := range []string{l.auth.Username, l.to.user} {
		if name != "" {
			return name
		}
	}
	return "git"
}

// sameHost refuses redirects that leave the host the operator named: they
// would decide where wishes for a data store come from, and a client
// certificate would go with them. On top of it go-git refuses redirects from
// https to http and of anything but the first request.
func sameHost(req *http.Request, via []*http.Request) error {
	from, to := via[0].URL, req.URL
	upgraded := from.Scheme == "http" && to.Scheme == "https"
	if !strings.EqualFold(from.Hostname(), to.Hostname()) || (port(from) != port(to) && !upgraded) {
		return fmt.Errorf("the server redirects to another host, %s: give that URL if it is right", to.Host)
	}
	return nil
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// metered counts the bytes of every response body, after decompression.
type metered struct {
	http.RoundTripper
	meter *meter
}

func (m metered) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := m.RoundTripper.RoundTrip(req)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{meteredReader{res.Body, m.meter}, res.Body}
	}
	return res, err
}
