package gitsync

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
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
