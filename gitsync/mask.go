package gitsync

import (
	"encoding/base64"
	"net/url"
	"strings"
	"sync"
	"unicode"
)

// mask takes secrets out of texts. A server can send back in an error what
// it was sent in a header, so every error of a look passes here.
type mask struct {
	mu      sync.Mutex
	secrets []string
}

// hide makes s, as it is and in the forms it travels in, unprintable.
func (m *mask) hide(s string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.secrets = append(m.secrets, s, url.QueryEscape(s), url.PathEscape(s))
}

// hideBasic hides the header value of basic authentication.
func (m *mask) hideBasic(user, password string) {
	m.hide(password)
	m.hide(base64.StdEncoding.EncodeToString([]byte(user + ":" + password)))
}

// textBytes bounds what of a server's words goes into an error.
const textBytes = 600

// clean returns text without secrets, on one line, and not longer than
// people read.
func (m *mask) clean(text string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.secrets {
		text = strings.ReplaceAll(text, s, "***")
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > textBytes {
		text = strings.ToValidUTF8(text[:textBytes], "") + "..."
	}
	return text
}
