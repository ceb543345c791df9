package gitsync

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// address is where a repository is, checked, and without any secret.
type address struct {
	scheme string // https, http, ssh or file
	user   string // as written in the URL; may be empty
	host   string // host or host:port; empty for file
	path   string // always starts with a slash, except for scp-like SSH paths
}

// scpLike is git's short form of an SSH address: user@host:path.
var scpLike = regexp.MustCompile(`^(?:([^@/:]+)@)?([^@/:\[\]]+):([^/].*|/.*)$`)

// parseAddress reads https://, http://, ssh:// and file:// URLs and the short
// form user@host:path. Errors never repeat the URL: it may hold a secret.
func parseAddress(raw string) (address, error) {
	if raw == "" {
		return address{}, errors.New("no repository URL")
	}
	if !strings.Contains(raw, "://") {
		return parseSCP(raw)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return address{}, errors.New("the repository URL can't be parsed")
	}
	if _, secret := u.User.Password(); secret {
		return address{}, errors.New("the repository URL holds a password: give it as a file instead, URLs end up in logs and process lists")
	}
	if u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return address{}, errors.New("the repository URL has a query or a fragment: no git server needs one")
	}
	a := address{scheme: strings.ToLower(u.Scheme), user: u.User.Username(), host: u.Host, path: u.Path}
	return a, a.check()
}

func parseSCP(raw string) (address, error) {
	if strings.Contains(raw, "::") {
		return address{}, errors.New("the repository URL names a helper program: none is ever run")
	}
	m := scpLike.FindStringSubmatch(raw)
	if m == nil {
		return address{}, errors.New("the repository URL has no scheme: use https://, ssh://, file:// or user@host:path")
	}
	a := address{scheme: "ssh", user: m[1], host: m[2], path: m[3]}
	return a, a.check()
}

func (a address) check() error {
	switch a.scheme {
	case "https", "http", "ssh":
		if a.hostname() == "" {
			return errors.New("the repository URL names no host")
		}
	case "file":
		if a.host != "" && a.host != "localhost" {
			return errors.New("a file:// URL names a path on this machine, not a host")
		}
	default:
		return fmt.Errorf("the repository URL's scheme %q is not supported: use https, ssh or file", a.scheme)
	}
	if strings.HasPrefix(a.host, "-") || strings.HasPrefix(a.user, "-") || strings.HasPrefix(a.path, "-") {
		return errors.New("a part of the repository URL starts with a dash")
	}
	if a.path == "" || a.path == "/" {
		return errors.New("the repository URL names no repository")
	}
	if strings.ContainsFunc(a.host+a.user+a.path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("the repository URL holds a control character")
	}
	return nil
}

// Display is a repository's URL for people and logs, without any secret. It is
// empty for a URL that can't be followed.
func Display(raw string) string {
	a, err := parseAddress(raw)
	if err != nil {
		return ""
	}
	return a.String()
}

func (a address) hostname() string {
	return (&url.URL{Host: a.host}).Hostname()
}

// String is the address for people and logs: without the user, which with
// some servers is the secret itself.
func (a address) String() string {
	return a.scheme + "://" + a.host + "/" + strings.TrimPrefix(a.path, "/")
}
