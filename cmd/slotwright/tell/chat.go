package tell

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

// Chat says where messages for people go: a webhook of Slack, or of what takes
// the same, such as Mattermost and Rocket.Chat. Its URL is the secret.
type Chat struct {
	URL    Secret
	Source string // what people know the source by
	Link   string // where a message leads to; {cluster} stands for the cluster
	CAFile string
}

// Place checks what was said and makes a place of it.
func (c Chat) Place() (*Place, error) {
	if _, err := c.url(); err != nil {
		return nil, err
	}
	return &Place{
		Name: "slack", news: newsOfState, deliver: line{caFile: c.CAFile, timeout: attempt}.post,
		request: func(n Note) (request, error) {
			at, err := c.url()
			if err != nil {
				return request{}, err
			}
			u, err := url.Parse(at)
			if err != nil {
				return request{}, fmt.Errorf("the %s is none", c.URL.What)
			}
			return request{url: at, body: map[string]string{"text": c.text(n)}, secrets: secretsOf(u)}, nil
		},
	}, nil
}

func (c Chat) url() (string, error) {
	text, err := c.URL.read()
	if err != nil {
		return "", err
	}
	if err := https(text); err != nil {
		return "", fmt.Errorf("the %s: %w", c.URL.What, err)
	}
	return text, nil
}

// secretsOf are the URL and every part of it that could be a key.
func secretsOf(u *url.URL) []string {
	all := []string{u.String(), u.RequestURI()}
	for part := range strings.FieldsFuncSeq(u.RequestURI(), func(r rune) bool { return strings.ContainsRune("/?&=", r) }) {
		if len(part) >= 6 {
			all = append(all, part)
		}
	}
	return all
}

func (c Chat) text(n Note) string {
	about := "*" + inert(n.Subject) + "*"
	if n.Subject == "" {
		about = "*" + inert(c.Source) + "*"
	}
	text := fmt.Sprintf("%s %s %s", sign(n), about, n.State)
	if n.Revision != "" {
		text += " at `" + strings.NewReplacer("`", "", "<", "", ">", "", "&", "").Replace(n.Revision) + "`"
	}
	text += "\n" + inert(short(n.Text, 1000))
	if link := linkOf(c.Link, n.Subject); link != "" {
		text += "\n" + link
	}
	return text
}

// sign is a state at a glance; the word beside it says the same.
func sign(n Note) string {
	switch {
	case n.Working:
		return ":hourglass_flowing_sand:"
	case n.State.well():
		return ":white_check_mark:"
	}
	return ":warning:"
}

// inert makes text from servers and files plain: as Slack's documentation of
// formatting has it, and without the @ that other chats call people by.
func inert(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@\u200b", "`", "'", "\n", " ").Replace(text)
}

// newsOfState tells of changes. That all is well is no news where it was
// never otherwise.
func newsOfState(was *said, n Note) (Note, bool) {
	if n.fresh || was == nil && n.State.well() {
		return Note{}, false
	}
	return n, was == nil || was.Key != n.Key
}

// Webhook says where the same is told to programs.
type Webhook struct {
	URL    string
	Secret Secret // signs what is sent
	Source string
	Link   string
	CAFile string
}

// message is what a webhook gets. Fields are only ever added.
type message struct {
	FormatVersion int         `json:"formatVersion"`
	Time          time.Time   `json:"time"`
	Source        string      `json:"source"`
	Cluster       string      `json:"cluster"` // "" when it is about the source
	Revision      string      `json:"revision"`
	Signer        string      `json:"signer,omitempty"`
	State         State       `json:"state"`
	Working       bool        `json:"working"` // it is not the end: the daemon goes on
	Text          string      `json:"text"`
	Holds         []plan.Hold `json:"holds"`
	Link          string      `json:"link,omitempty"`
}

// Place checks what was said and makes a place of it.
func (w Webhook) Place() (*Place, error) {
	u, err := url.Parse(w.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return nil, fmt.Errorf("the webhook must be an http or https URL without a user")
	}
	if !w.Secret.given() {
		return nil, fmt.Errorf("no place for the %s is given", w.Secret.What)
	}
	if _, err := w.Secret.read(); err != nil {
		return nil, err
	}
	return &Place{Name: "webhook", news: newsOfState, request: w.request, deliver: line{caFile: w.CAFile, timeout: attempt}.post}, nil
}

func (w Webhook) request(n Note) (request, error) {
	secret, err := w.Secret.read()
	if err != nil {
		return request{}, err
	}
	m := message{
		FormatVersion: 1, Time: time.Now().UTC(), Source: w.Source, Cluster: n.Subject,
		Revision: n.Revision, Signer: n.Signer, State: n.State, Working: n.Working, Text: n.Text,
		Holds: append([]plan.Hold{}, n.Holds...), Link: linkOf(w.Link, n.Subject),
	}
	return request{
		url: w.URL, body: m, secrets: []string{secret},
		sign: func(h http.Header, body []byte) {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write(body)
			h.Set("X-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		},
	}, nil
}
