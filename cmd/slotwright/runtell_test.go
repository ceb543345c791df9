package main

import (
	"testing"

	"github.com/slotwright/slotwright/cmd/slotwright/tell"
)

func TestTheAPIAndTheRepositoryAreThoseOfTheSource(t *testing.T) {
	for _, c := range []struct{ api, source, url, repo string }{
		{"github", "https://github.com/team/redis.git", "https://api.github.com", "team/redis"},
		{"github", "git@github.com:team/redis.git", "https://api.github.com", "team/redis"},
		{"github", "https://ghe.example.com/team/redis", "https://ghe.example.com/api/v3", "team/redis"},
		{"gitlab", "ssh://git@gitlab.example.com:2222/group/sub/redis.git", "https://gitlab.example.com/api/v4", "group/sub/redis"},
		{"gitlab", "https://gitlab.example.com:8443/group/redis.git/", "https://gitlab.example.com:8443/api/v4", "group/redis"},
		{"gitea", "https://user@gitea.example.com/team/redis.git", "https://gitea.example.com/api/v1", "team/redis"},
		{"gitea", "file:///srv/git/redis.git", "", "srv/git/redis"},
	} {
		if url, repo := statusesOf(tell.Commits{API: c.api}, c.source); url != c.url || repo != c.repo {
			t.Errorf("%s %s: got %s and %s", c.api, c.source, url, repo)
		}
		if url, repo := statusesOf(tell.Commits{API: c.api, URL: "https://x", Repo: "y/z"}, c.source); url != "https://x" || repo != "y/z" {
			t.Errorf("what is said is not used: %s and %s", url, repo)
		}
	}
}
