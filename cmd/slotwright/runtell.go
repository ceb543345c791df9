package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/cmd/slotwright/tell"
)

// telling is what the command line says of telling people.
type telling struct {
	commits tell.Commits
	chat    tell.Chat
	webhook tell.Webhook
	link    string
	caFile  string
}

func (t *telling) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&t.commits.API, "status-api", "", "tell how clusters stand as statuses of commits: github, gitlab or gitea")
	flags.StringVar(&t.commits.URL, "status-url", "", "`URL` of that API; default: of the host of --source")
	flags.StringVar(&t.commits.Repo, "status-repo", "", "`OWNER/NAME` there; default: the path of --source")
	flags.StringVar(&t.commits.Context, "status-context", "slotwright", "what the statuses are called: CONTEXT/CLUSTER, and CONTEXT for the source")
	secret(c, &t.commits.Token, "status-token", "token for statuses")
	secret(c, &t.chat.URL, "slack-url", "URL of a webhook that takes Slack's messages")
	flags.StringVar(&t.webhook.URL, "webhook-url", "", "tell a program at this `URL` how clusters stand")
	secret(c, &t.webhook.Secret, "webhook-secret", "secret that signs what it is told")
	flags.StringVar(&t.link, "link", "", "`URL` that messages lead to; {cluster} in it stands for the cluster")
	flags.StringVar(&t.caFile, "tell-ca-file", "", "`FILE` with authorities to trust beside the system's, when telling")
}

// secret makes the two flags that say where a secret is.
func secret(c *cobra.Command, s *tell.Secret, flag, what string) {
	s.What = what
	c.Flags().StringVar(&s.File, flag+"-file", "", "`FILE` with the "+what+"; read each time")
	c.Flags().StringVar(&s.Env, flag+"-env", "", "environment `VARIABLE` with the "+what)
	c.MarkFlagsMutuallyExclusive(flag+"-file", flag+"-env")
}

// open checks what was said and makes places of it.
func (t *telling) open(o *origin) ([]*tell.Place, error) {
	var all []*tell.Place
	add := func(flag string, p *tell.Place, err error) error {
		if err != nil {
			return usage{fmt.Errorf("%s: %w", flag, err)}
		}
		all = append(all, p)
		return nil
	}
	if t.commits.API != "" {
		if !o.isGit() {
			return nil, usage{fmt.Errorf("--status-api: --source %s is a directory, which has no commits", o.source)}
		}
		t.commits.Link, t.commits.CAFile = t.link, t.caFile
		t.commits.URL, t.commits.Repo = statusesOf(t.commits, o.source)
		p, err := t.commits.Place()
		if err := add("--status-api", p, err); err != nil {
			return nil, err
		}
	}
	if t.chat.URL != (tell.Secret{What: t.chat.URL.What}) {
		t.chat.Link, t.chat.CAFile, t.chat.Source = t.link, t.caFile, o.place().Name
		p, err := t.chat.Place()
		if err := add("--slack-url-file", p, err); err != nil {
			return nil, err
		}
	}
	if t.webhook.URL != "" {
		t.webhook.Link, t.webhook.CAFile, t.webhook.Source = t.link, t.caFile, o.place().Name
		p, err := t.webhook.Place()
		if err := add("--webhook-url", p, err); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// statusesOf are the API and the repository, as far as they are said, else as the
// source's address has them.
func statusesOf(c tell.Commits, source string) (api, repo string) {
	host, path := hostAndPath(source)
	api, repo = c.URL, c.Repo
	if repo == "" {
		repo = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	}
	if api != "" || host == "" {
		return api, repo
	}
	switch {
	case c.API == "github" && host == "github.com":
		api = "https://api.github.com"
	case c.API == "github":
		api = "https://" + host + "/api/v3"
	case c.API == "gitlab":
		api = "https://" + host + "/api/v4"
	default:
		api = "https://" + host + "/api/v1"
	}
	return api, repo
}

// hostAndPath are of the address of a repository. The port counts for the web
// only.
func hostAndPath(source string) (host, path string) {
	if !strings.Contains(source, "://") {
		before, after, _ := strings.Cut(source, ":")
		_, host, _ = strings.Cut(before, "@")
		return host, after
	}
	u, err := url.Parse(source)
	switch {
	case err != nil:
		return "", ""
	case u.Scheme == "https":
		return u.Host, u.Path
	}
	return u.Hostname(), u.Path
}

func (f *following) teller(memory *follow.Memory, face *front) *tell.Teller {
	ledger, err := tell.OpenLedger(memory.Beside("told"))
	if err != nil {
		f.log.Warn("some things are told again", "error", err)
	}
	return &tell.Teller{
		Board: face.board, Places: f.places, Ledger: ledger, Told: face.metrics.Told, Log: f.log,
		Unread: 5 * time.Minute,
	}
}

// tellOn tells what the board knows until stop is called.
func (f *following) tellOn(memory *follow.Memory, face *front) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.teller(memory, face).Run(ctx) })
	return func() { cancel(); running.Wait() }
}

// tellOnce tells what came of --once.
func (f *following) tellOnce(ctx context.Context, memory *follow.Memory, face *front) {
	if len(f.places) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	f.teller(memory, face).Flush(ctx)
}
