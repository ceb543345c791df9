package gitsync

import (
	"errors"
	"strings"
	"testing"
)

// versions is a repository with a branch and a tag of one name, tags of all
// sorts, and the hash each of them stands for.
func versions(t *testing.T) (*repo, map[string]string) {
	t.Helper()
	r := newRepo(t)
	hashes := map[string]string{}
	mark := func(name string, args ...string) {
		r.write("a.yaml", name)
		hashes[name] = r.commit(name)
		r.git(append([]string{"tag"}, args...)...)
	}
	mark("v1.0.0", "v1.0.0")
	mark("v1.2.0", "-a", "-m", "annotated", "v1.2.0")
	mark("1.10.0", "1.10.0")
	mark("v2.0.0-rc.1", "v2.0.0-rc.1")
	mark("v3", "v3")
	mark("twin as a tag", "twin")
	r.git("tag", "-a", "-m", "of a tag", "nested", "v1.2.0")
	r.git("checkout", "-q", "-b", "twin")
	r.write("a.yaml", "twin as a branch")
	hashes["twin as a branch"] = r.commit("twin as a branch")
	r.git("push", "-q", "origin", "--tags")
	r.git("checkout", "-q", "main")
	return r, hashes
}

func TestEveryKindOfRefIsFollowed(t *testing.T) {
	r, hashes := versions(t)
	for name, c := range map[string]struct {
		ref      Ref
		revision string
	}{
		"the default branch":      {Ref{}, "main@sha1:" + hashes["twin as a tag"]},
		"a branch, not the tag":   {Ref{Branch: "twin"}, "twin@sha1:" + hashes["twin as a branch"]},
		"a tag, not the branch":   {Ref{Tag: "twin"}, "twin@sha1:" + hashes["twin as a tag"]},
		"a tag":                   {Ref{Tag: "v1.0.0"}, "v1.0.0@sha1:" + hashes["v1.0.0"]},
		"an annotated tag":        {Ref{Tag: "v1.2.0"}, "v1.2.0@sha1:" + hashes["v1.2.0"]},
		"a tag of a tag":          {Ref{Tag: "nested"}, "nested@sha1:" + hashes["v1.2.0"]},
		"a range":                 {Ref{Semver: ">=1.0.0 <2"}, "1.10.0@sha1:" + hashes["1.10.0"]},
		"a range with candidates": {Ref{Semver: ">=1.0.0-0"}, "v2.0.0-rc.1@sha1:" + hashes["v2.0.0-rc.1"]},
		"the tip by its hash":     {Ref{Commit: hashes["v1.0.0"]}, "sha1:" + hashes["v1.0.0"]},
	} {
		t.Run(name, func(t *testing.T) {
			o := r.over("file")
			o.Ref = c.ref
			if got := mustNext(t, open(t, o), ""); got.Revision != c.revision {
				t.Errorf("got %s, want %s", got.Revision, c.revision)
			}
		})
	}
}

func TestACommitThatNoRefNamesIsFound(t *testing.T) {
	for _, allowed := range []string{"false", "true"} {
		r := newRepo(t)
		r.run(r.bare, "config", "uploadpack.allowReachableSHA1InWant", allowed)
		r.write("a.yaml", "one")
		old := r.commit("first")
		r.write("a.yaml", "two")
		r.commit("second")
		o := r.over("http")
		o.Ref.Commit = old
		if got := mustNext(t, open(t, o), ""); read(t, got, "a.yaml") != "one" {
			t.Errorf("asked for by hash %s: read %q", allowed, read(t, got, "a.yaml"))
		}
		o.Ref.Commit = strings.Repeat("12", 20)
		refused(t, open(t, o), o.Ref.Commit)
	}
}

func TestADeletedOrMovedRefIsAnErrorOrANewRevision(t *testing.T) {
	r, hashes := versions(t)
	o := r.over("file")
	o.Ref.Branch = "twin"
	s := open(t, o)
	have := mustNext(t, s, "").Revision
	r.git("push", "-q", "origin", ":refs/heads/twin")
	if _, err := next(t, s, have); !errors.Is(err, ErrNoRef) || !strings.Contains(err.Error(), "branch twin") {
		t.Errorf("deleted branch: %v", err)
	}
	r.git("push", "-q", "origin", "v1.0.0:refs/heads/twin")
	s.Wake()
	if got := mustNext(t, s, have); got.Revision != "twin@sha1:"+hashes["v1.0.0"] {
		t.Errorf("force-pushed to an older commit: %s", got.Revision)
	}
	for _, ref := range []Ref{{Tag: "gone"}, {Branch: "v1.0.0"}, {Semver: ">9"}} {
		o.Ref = ref
		if err := refused(t, open(t, o), "not on the server"); !errors.Is(err, ErrNoRef) {
			t.Error(err)
		}
	}
}

func TestATagOfSomethingElseThanACommitIsRefused(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	r.git("tag", "file", "HEAD:a.yaml")
	r.git("push", "-q", "origin", "--tags")
	o := r.over("file")
	o.Ref.Tag = "file"
	refused(t, open(t, o), "is a blob, not a commit")
}

func TestABranchThatIsAnotherNameForABranchIsFollowed(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	first := r.commit("first")
	r.run(r.bare, "symbolic-ref", "refs/heads/live", "refs/heads/main")
	o := r.over("file")
	o.Ref.Branch = "live"
	if got := mustNext(t, open(t, o), ""); got.Revision != "live@sha1:"+first {
		t.Errorf("got %s", got.Revision)
	}
}

func TestOptionsThatCannotWorkAreRefusedBeforeAnyNetwork(t *testing.T) {
	good := "https://git.example.com/x.git"
	for name, c := range map[string]struct {
		o    Options
		word string
	}{
		"no URL":                   {Options{}, "no repository URL"},
		"a password in the URL":    {Options{URL: "https://ann:" + canary + "@git.example.com/x.git"}, "can't be parsed"},
		"a plain password in it":   {Options{URL: "https://ann:canary@git.example.com/x.git"}, "holds a password"},
		"a token as a query":       {Options{URL: good + "?token=canary"}, "has a query"},
		"git without encryption":   {Options{URL: "git://git.example.com/x.git"}, `scheme "git"`},
		"a command as a URL":       {Options{URL: "ext::sh -c touch% /x"}, "helper program"},
		"another helper":           {Options{URL: "ext://sh/x"}, `scheme "ext"`},
		"a plain path":             {Options{URL: "/srv/x.git"}, "no scheme"},
		"an option as a host":      {Options{URL: "ssh://-oProxyCommand=x/x.git"}, "dash"},
		"an option as a user":      {Options{URL: "-oProxyCommand=x@host:x.git"}, "dash"},
		"an option as a path":      {Options{URL: "git@host:-x"}, "dash"},
		"another machine's files":  {Options{URL: "file://server/x.git"}, "on this machine"},
		"no repository":            {Options{URL: "https://git.example.com/"}, "names no repository"},
		"a password in plain http": {Options{URL: "http://git.example.com/x.git", Auth: Auth{PasswordFile: "p"}}, "never sent over plain http"},
		"a password and a token":   {Options{URL: good, Auth: Auth{PasswordFile: "p", TokenFile: "t"}}, "use one"},
		"half a certificate":       {Options{URL: good, Auth: Auth{CertFile: "c"}}, "both"},
		"ssh without a key":        {Options{URL: "git@git.example.com:x.git"}, "private key"},
		"two refs":                 {Options{URL: good, Ref: Ref{Branch: "a", Tag: "b"}}, "more than one"},
		"half a hash":              {Options{URL: good, Ref: Ref{Commit: "abc"}}, "full hash"},
		"no range":                 {Options{URL: good, Ref: Ref{Semver: "new"}}, "semver range"},
		"a branch up the tree":     {Options{URL: good, Ref: Ref{Branch: "../../x"}}, "not valid"},
		"a tag with a space":       {Options{URL: good, Ref: Ref{Tag: "a b"}}, "not valid"},
		"forward in a range":       {Options{URL: good, Ref: Ref{Semver: "1"}, Trust: Trust{FastForward: true}}, "fast-forward"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Clone(c.o)
			if err == nil || !strings.Contains(err.Error(), c.word) {
				t.Errorf("%v does not say %q", err, c.word)
			}
			silent(t, err)
		})
	}
}

func TestAddressesArePrintedWithoutTheUser(t *testing.T) {
	for raw, want := range map[string]string{
		"https://token@git.example.com/a/x.git": "https://git.example.com/a/x.git",
		"git@git.example.com:a/x.git":           "ssh://git.example.com/a/x.git",
		"git.example.com:a/x.git":               "ssh://git.example.com/a/x.git",
		"ssh://git@git.example.com:2222/x.git":  "ssh://git.example.com:2222/x.git",
		"file:///srv/x.git":                     "file:///srv/x.git",
	} {
		if a, err := parseAddress(raw); err != nil || a.String() != want {
			t.Errorf("%s: %s, %v", raw, a, err)
		}
	}
}
