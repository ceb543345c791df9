package tell

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/slotwright/slotwright/reconcile"
)

// Commits says where statuses of commits go.
type Commits struct {
	API     string // github, gitlab or gitea
	URL     string // of the API, such as https://api.github.com
	Repo    string // OWNER/NAME, or a path of GitLab with more of them
	Context string // the name of the source's own status; clusters have CONTEXT/CLUSTER
	Link    string // where a status leads to; {cluster} stands for the cluster
	Token   Secret
	CAFile  string
}

// api is what is particular about a server. Paths, headers and words are those
// of "Create a commit status" in GitHub's and Gitea's documentation of their
// REST APIs, and of "Set commit pipeline status" in GitLab's.
type api struct {
	path                                        string // of the repository's statuses
	name                                        string // of the field for the context
	describe                                    int    // characters of a description
	pending, success, failure, broken, replaced string
	header                                      func(token string) http.Header
	there                                       func(status int, body string) bool
}

var apis = map[string]api{
	"github": {
		path: "repos", name: "context", describe: 140,
		pending: "pending", success: "success", failure: "failure", broken: "error", replaced: "error",
		header: func(token string) http.Header {
			return http.Header{
				"Authorization": {"Bearer " + token}, "Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"},
			}
		},
	},
	"gitlab": {
		path: "projects", name: "name", describe: 255,
		pending: "pending", success: "success", failure: "failed", broken: "failed", replaced: "canceled",
		header: func(token string) http.Header { return http.Header{"Private-Token": {token}} },
		// GitLab refuses a status that is there already.
		there: func(status int, body string) bool {
			return status == http.StatusBadRequest && strings.Contains(body, "Cannot transition status")
		},
	},
	"gitea": {
		path: "repos", name: "context", describe: 255,
		pending: "pending", success: "success", failure: "failure", broken: "error", replaced: "error",
		header: func(token string) http.Header {
			return http.Header{"Authorization": {"token " + token}, "Accept": {"application/json"}}
		},
	},
}

// Place checks what was said and makes a place of it.
func (c Commits) Place() (*Place, error) {
	a, ok := apis[c.API]
	if !ok {
		return nil, fmt.Errorf("%q is none of github, gitlab, gitea", c.API)
	}
	if err := https(c.URL); err != nil {
		return nil, fmt.Errorf("the API: %w", err)
	}
	if !strings.Contains(strings.Trim(c.Repo, "/"), "/") {
		return nil, fmt.Errorf("the repository %q has not the form OWNER/NAME", c.Repo)
	}
	if !c.Token.given() {
		return nil, fmt.Errorf("no place for the %s is given", c.Token.What)
	}
	if _, err := c.Token.read(); err != nil {
		return nil, err
	}
	return &Place{
		Name: c.API, news: newsOfCommit,
		request: func(n Note) (request, error) { return c.request(a, n) },
		deliver: line{caFile: c.CAFile, timeout: attempt, there: a.there}.post,
	}, nil
}

// https demands a URL that a secret may be sent to.
func https(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return fmt.Errorf("this is no URL")
	}
	if u.Scheme != "https" {
		return fmt.Errorf("secrets are never sent over %s: use https", u.Scheme)
	}
	if u.User != nil {
		return fmt.Errorf("the URL has a user in it")
	}
	return nil
}

var commitOf = regexp.MustCompile(`(?:^|@)sha1:([0-9a-f]{40})$`)

// newsOfCommit has one status for each commit and cluster. A commit that waits
// for ever, because a newer one came first, is told so.
func newsOfCommit(was *said, n Note) (Note, bool) {
	if !commitOf.MatchString(n.Revision) || n.State == Unreadable || n.State == Orphaned {
		return Note{}, false
	}
	switch {
	case was == nil:
		return n, true
	case was.Revision != n.Revision && was.Working:
		return Note{
			Subject: n.Subject, Revision: was.Revision, State: Superseded, Key: string(Superseded),
			Text: "superseded by " + n.Revision + " before it was reached",
		}, true
	case was.Revision != n.Revision:
		return n, true
	}
	return n, !n.fresh && was.Key != n.Key
}

func (c Commits) request(a api, n Note) (request, error) {
	token, err := c.Token.read()
	if err != nil {
		return request{}, err
	}
	repo := strings.Trim(c.Repo, "/")
	if a.path == "projects" {
		repo = url.PathEscape(repo)
	}
	body := map[string]string{
		"state": a.word(n), a.name: contextOf(c.Context, n.Subject), "description": short(describe(n), a.describe),
	}
	if link := linkOf(c.Link, n.Subject); link != "" {
		body["target_url"] = link
	}
	return request{
		url:    fmt.Sprintf("%s/%s/%s/statuses/%s", strings.TrimRight(c.URL, "/"), a.path, repo, commitOf.FindStringSubmatch(n.Revision)[1]),
		header: a.header(token), body: body, secrets: []string{token},
	}, nil
}

// word is a state as the server calls it.
func (a api) word(n Note) string {
	switch {
	case n.Working:
		return a.pending
	case n.State.well():
		return a.success
	case n.State == Superseded:
		return a.replaced
	case n.State == State(reconcile.Unknown):
		return a.broken
	}
	return a.failure
}

// describe puts what is short first, for servers cut it off.
func describe(n Note) string {
	if n.State == Read || n.State == Superseded || n.State == Mistaken {
		return n.Text
	}
	return fmt.Sprintf("%s: %s", n.State, n.Text)
}

func contextOf(name, subject string) string {
	if subject == "" {
		return name
	}
	return name + "/" + subject
}

func linkOf(link, subject string) string {
	return strings.ReplaceAll(link, "{cluster}", url.QueryEscape(subject))
}
