package gitsync

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

func TestCommitsThatReadersDisagreeAboutAreRefused(t *testing.T) {
	good := headers(someHash) + "\nmessage\n"
	if c, err := parseCommit([]byte(good)); err != nil || c.tree.String() != someHash || c.committed.Unix() != 1700000000 || string(c.signed) != good {
		t.Fatalf("a plain commit: %+v %v", c, err)
	}
	for name, raw := range map[string]string{
		"nothing":                    "",
		"no end of the headers":      headers(someHash),
		"no tree":                    strings.SplitAfterN(good, "\n", 2)[1],
		"tree not first":             "encoding x\n" + good,
		"two authors":                strings.Replace(good, "committer", "author a <a> 1 +0000\ncommitter", 1),
		"two committers":             strings.Replace(good, "\n\n", "\ncommitter c <c> 1 +0000\n\n", 1),
		"no committer":               strings.Replace(good, "committer", "comitter", 1),
		"a zero byte":                strings.Replace(good, "author a", "author a\x00", 1),
		"a continuation first":       " " + good,
		"an upper-case tree":         strings.Replace(good, "1111", "AAAA", 1),
		"a short tree":               strings.Replace(good, "1111", "111", 1),
		"a header without a value":   strings.Replace(good, "author", "odd\nauthor", 1),
		"a time that is none":        strings.ReplaceAll(good, "1700000000", "x"),
		"a time before all":          strings.ReplaceAll(good, "1700000000", "-1"),
		"a parent that is none":      strings.Replace(good, "author", "parent x\nauthor", 1),
		"a signature of another sha": strings.Replace(good, "\n\n", "\ngpgsig-sha256 x\n\n", 1),
	} {
		if c, err := parseCommit([]byte(raw)); err == nil || c.signed != nil {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func FuzzParseCommit(f *testing.F) {
	real, err := os.ReadFile("testdata/gpg.commit")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(real)
	f.Add([]byte(headers(someHash) + "\nmessage\n"))
	f.Add([]byte(headers(someHash) + "mergetag object x\n type commit\n\nmessage\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		c, err := parseCommit(raw)
		if !bytes.Equal(raw, before) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			if c.signed != nil || c.signature != nil || !c.tree.IsZero() {
				t.Fatal("a commit that could not be read gave something")
			}
			return
		}
		// What is signed and the signature together are the whole commit, so
		// nothing in it can be neither.
		if c.signature == nil {
			if !bytes.Equal(c.signed, raw) {
				t.Fatal("an unsigned commit is not all of what would be signed")
			}
			return
		}
		folded := strings.ReplaceAll(string(c.signature), "\n", "\n ")
		head, tail, found := strings.Cut(string(raw), "gpgsig "+folded+"\n")
		if !found || head+tail != string(c.signed) {
			t.Fatalf("the signature is not cut out cleanly: %q", c.signed)
		}
		again, err := parseCommit(c.signed)
		if err != nil || again.tree != c.tree || !again.committed.Equal(c.committed) {
			t.Fatal("the signed part says something else than the commit")
		}
	})
}

func TestAllowedSignersThatAreNotUnderstoodAreRefused(t *testing.T) {
	key := authorized(signer(t, 1))
	for name, text := range map[string]string{
		"no key":               "ann@example.com",
		"half a key":           "ann@example.com ssh-ed25519 AAAA",
		"only a key":           key,
		"an open quote":        `"ann@example.com ` + key,
		"a quote and no space": `"ann@example.com"` + key,
		"an unknown option":    "ann@example.com verify-required " + key,
		"an authority":         "ann@example.com cert-authority " + key,
		"an option twice":      `ann@example.com namespaces="git",namespaces="file" ` + key,
		"no namespace":         `ann@example.com namespaces="" ` + key,
		"no time":              `ann@example.com valid-before="soon" ` + key,
		"month thirteen":       `ann@example.com valid-before="20261301" ` + key,
		"a good and a bad one": "ann@example.com " + key + "\nbob@example.com",
	} {
		if all, err := parseAllowedSigners([]byte(text)); err == nil || all != nil {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
}

func TestStamps(t *testing.T) {
	for text, want := range map[string]time.Time{
		"20260131Z":       time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC),
		"202601312359Z":   time.Date(2026, 1, 31, 23, 59, 0, 0, time.UTC),
		"20260131235958Z": time.Date(2026, 1, 31, 23, 59, 58, 0, time.UTC),
		"20260131":        time.Date(2026, 1, 31, 0, 0, 0, 0, time.Local),
	} {
		if got, err := parseStamp(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

func TestMatchList(t *testing.T) {
	for list, want := range map[string]bool{
		"git": true, "file,git": true, "g*": true, "g?t": true, "*": true,
		"file": false, "gi": false, "*,!git": false, "!git,*": false, "!file": false, "[g]it": false, "": false,
	} {
		if matchList(list, "git") != want {
			t.Errorf("%q: not %v", list, want)
		}
	}
}

func FuzzAllowedSigners(f *testing.F) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
	f.Add("ann@example.com " + key)
	f.Add("# note\n\n\"ann@example.com\" namespaces=\"git,file\",valid-after=\"20200101Z\" " + key + " comment\n")
	f.Add("ann@example.com valid-before=\"20260131235959\" " + key)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseAllowedSigners([]byte(text))
		if (err == nil) == (len(all) == 0) {
			t.Fatalf("%d signers and the error %v", len(all), err)
		}
		for _, s := range all {
			if s.principals == "" || len(s.key) == 0 {
				t.Fatalf("a signer without a name or a key: %+v", s)
			}
			if s.allows("git", []time.Time{time.Unix(1700000000, 0)}) == nil && s.namespaces != "" && !matchList(s.namespaces, "git") {
				t.Fatalf("%+v may sign in a namespace it does not name", s)
			}
		}
	})
}

// Whatever an address says, what is made of it is one of the four kinds, holds
// no password, and no part of it can pass for an option of a program.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"https://git.example.com/a/x.git", "git@git.example.com:a/x.git", "ssh://git@[2001:db8::1]:2222/x.git", "file:///srv/x.git",
		"ssh://-oProxyCommand=x/x.git", "ext::sh -c touch% /x", "https://ann:pw@git.example.com/x", "a:b", "::", "file://\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := parseAddress(raw)
		if err != nil {
			if len(raw) > 12 && strings.Contains(err.Error(), raw) {
				t.Fatalf("the error repeats the address: %v", err)
			}
			return
		}
		if !strings.Contains(" https http ssh file ", " "+a.scheme+" ") || a.path == "" {
			t.Fatalf("%q became %+v", raw, a)
		}
		for _, part := range []string{a.user, a.host, a.path} {
			if strings.HasPrefix(part, "-") || strings.ContainsAny(part, "\x00\n\r") {
				t.Fatalf("%q became %+v", raw, a)
			}
		}
		if a.user != "" && len(a.user) > 12 && strings.Contains(Display(raw), a.user+"@") {
			t.Fatalf("%q is shown with its user", raw)
		}
	})
}

// Whatever a server lists, what is followed is a hash that it listed under the
// very name that was asked for.
func FuzzReferences(f *testing.F) {
	line := func(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }
	head := line(someHash + " HEAD\x00symref=HEAD:refs/heads/main shallow\n")
	f.Add([]byte(head + line(someHash+" refs/heads/main\n") + "0000"))
	f.Add([]byte(head + line(someHash+" refs/tags/v1.2.0\n") + line(strings.Repeat("2", 40)+" refs/tags/v1.2.0^{}\n") + "0000"))
	f.Add([]byte("0000"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ar := packp.NewAdvRefs()
		if ar.Decode(bytes.NewReader(raw)) != nil {
			return
		}
		for _, r := range []Ref{{}, {Branch: "main"}, {Tag: "v1.2.0"}, {Semver: ">=1"}, {Commit: someHash}} {
			to, err := r.resolve(ar)
			if err != nil {
				continue
			}
			listed := ar.Head != nil && *ar.Head == to.commit || r.Commit == to.commit.String()
			for name, h := range ar.References {
				listed = listed || h == to.commit || ar.Peeled[name] == to.commit
			}
			if !listed || r.Branch != "" && to.name != r.Branch || r.Tag != "" && to.name != r.Tag {
				t.Fatalf("%+v is %s, of %v", r, to.revision(), to.want)
			}
		}
	})
}
