package gitsync

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// session is one conversation with a server's git-upload-pack. The commit is
// fetched in the conversation that named it, so a push in between can't make
// the two disagree.
type session interface {
	// AdvertisedReferencesContext reads what the server offers. It comes
	// first, and once.
	AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error)
	// UploadPack asks for objects, at most once.
	UploadPack(context.Context, *packp.UploadPackRequest) (*packp.UploadPackResponse, error)
	Close() error
}

// line is everything a session needs to be opened: where to, as whom, and
// the meter every received byte passes.
type line struct {
	to    address
	auth  Auth
	proxy string
	meter *meter
	mask  *mask
}

// proxyURL is the proxy that was set, or nil. Its password is a secret.
func (l line) proxyURL() (*url.URL, error) {
	if l.proxy == "" {
		return nil, nil
	}
	u, err := url.Parse(l.proxy)
	if err != nil || u.Host == "" {
		return nil, errors.New("the proxy URL can't be parsed")
	}
	if password, set := u.User.Password(); set {
		l.mask.hideBasic(u.User.Username(), password)
	}
	return u, nil
}

// open starts a session. The context bounds the whole of it, not only the
// opening.
func (l line) open(ctx context.Context) (session, error) {
	switch l.to.scheme {
	case "https", "http":
		return l.openHTTP()
	case "ssh":
		return l.openSSH(ctx)
	case "file":
		return l.openLocal(ctx)
	}
	return nil, fmt.Errorf("scheme %q is not supported", l.to.scheme)
}
