package gitsync

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// signer is an SSH key of a test. The same seed gives the same key.
func signer(t *testing.T, seed byte) ssh.Signer {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func authorized(s ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))
}

// sshSign is an armored signature over a payload.
func sshSign(t *testing.T, s ssh.Signer, namespace, payload string) string {
	t.Helper()
	sig, err := sshsig.Sign(strings.NewReader(payload), s, sshsig.HashSHA512, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return string(sshsig.Armor(sig))
}

// withSignature puts a signature where git does: after the other headers,
// each further line behind a space.
func withSignature(payload, armored string) []byte {
	head, message, _ := strings.Cut(payload, "\n\n")
	lines := strings.ReplaceAll(strings.TrimSpace(armored), "\n", "\n ")
	return []byte(head + "\ngpgsig " + lines + "\n\n" + message)
}

// trusted makes a repository whose main is a commit of one file, built by
// raw from the commit's unsigned content, and a file of allowed signers.
func trusted(t *testing.T, allowed string, raw func(payload string) []byte) Source {
	t.Helper()
	r := newRepo(t)
	tree := r.tree(entry{"100644", "a.yaml", r.object("blob", []byte("one"))})
	r.pointTo(raw(headers(tree) + "\nsigned or not\n"))
	file := filepath.Join(r.root, "allowed_signers")
	write(t, file, allowed)
	o := r.over("file")
	o.Trust.AllowedSignersFile = file
	return open(t, o)
}

func TestACommitByAnAllowedSignerIsTakenAndItsSignerNamed(t *testing.T) {
	key := signer(t, 1)
	for name, line := range map[string]string{
		"plain":             "ann@example.com " + authorized(key),
		"with namespaces":   `ann@example.com namespaces="file,g*" ` + authorized(key) + " a comment",
		"with validity":     `ann@example.com valid-after="20200101",valid-before="20990101Z" ` + authorized(key),
		"second line fits":  "bob@example.com namespaces=\"file\" " + authorized(key) + "\n# note\n\nann@example.com " + authorized(key),
		"quoted principals": `"ann@example.com" ` + authorized(key),
	} {
		t.Run(name, func(t *testing.T) {
			s := trusted(t, line, func(payload string) []byte {
				return withSignature(payload, sshSign(t, key, "git", payload))
			})
			if got := mustNext(t, s, ""); got.Signer != "ann@example.com" {
				t.Errorf("signer %q", got.Signer)
			}
		})
	}
}

func TestACommitWithoutATrustedSignatureIsRefused(t *testing.T) {
	key, other := signer(t, 1), signer(t, 2)
	allowed := "ann@example.com " + authorized(key)
	good := func(payload string) []byte { return withSignature(payload, sshSign(t, key, "git", payload)) }
	for name, c := range map[string]struct {
		allowed string
		raw     func(payload string) []byte
		word    string
	}{
		"unsigned":             {allowed, func(p string) []byte { return []byte(p) }, "not signed"},
		"signed by another":    {allowed, func(p string) []byte { return withSignature(p, sshSign(t, other, "git", p)) }, "not among the allowed signers"},
		"signed as a file":     {allowed, func(p string) []byte { return withSignature(p, sshSign(t, key, "file", p)) }, "does not fit"},
		"namespace not for it": {`ann@example.com namespaces="*,!git" ` + authorized(key), good, "may not sign in the namespace git"},
		"key expired by now":   {`ann@example.com valid-before="20250101Z" ` + authorized(key), good, "valid only before 2025-01-01"},
		"key not valid yet":    {`ann@example.com valid-after="20990101Z" ` + authorized(key), good, "valid only after 2099"},
		"dated before the key": {`ann@example.com valid-after="20240101Z" ` + authorized(key), good, "valid only after 2024"},
		"message changed after signing": {allowed, func(p string) []byte {
			return bytes.Replace(good(p), []byte("signed or not"), []byte("other words"), 1)
		}, "does not fit"},
		"signature of another tree": {allowed, func(p string) []byte {
			return withSignature(p, sshSign(t, key, "git", strings.Replace(p, "tree ", "tree 0", 1)))
		}, "does not fit"},
		"a second tree header": {allowed, func(p string) []byte {
			return bytes.Replace(good(p), []byte("author "), []byte(strings.SplitAfter(p, "\n")[0]+"author "), 1)
		}, "two tree headers"},
		"two signatures": {allowed, func(p string) []byte {
			return withSignature(string(good(p)), sshSign(t, key, "git", p))
		}, "two gpgsig headers"},
		"a tree header behind the signed ones": {allowed, func(p string) []byte {
			return bytes.Replace(good(p), []byte("\n\n"), []byte("\ntree 1111111111111111111111111111111111111111\n\n"), 1)
		}, "two tree headers"},
		"a signature of no kind": {allowed, func(p string) []byte { return withSignature(p, "-----BEGIN THING-----") }, "neither SSH nor PGP"},
		"half a signature":       {allowed, func(p string) []byte { return withSignature(p, "-----BEGIN SSH SIGNATURE-----\nAAAA") }, "read the signature"},
		"signed by PGP, no keyring": {allowed, func(p string) []byte {
			return withSignature(p, "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----")
		}, "no keyring"},
		"from the future": {allowed, func(p string) []byte {
			return good(strings.ReplaceAll(p, "1700000000", fmt.Sprint(time.Now().Add(time.Hour).Unix())))
		}, "in the future"},
		"a line nobody understands": {allowed + "\nbob@example.com cert-authority " + authorized(other), good, "line 2"},
		"no line at all":            {"# nobody\n", good, "no signer"},
	} {
		t.Run(name, func(t *testing.T) {
			err := refused(t, trusted(t, c.allowed, c.raw), c.word)
			if !errors.Is(err, ErrUntrusted) && !strings.Contains(err.Error(), "malformed commit") {
				t.Errorf("%v is neither ErrUntrusted nor about a malformed commit", err)
			}
		})
	}
}

func TestGitsOwnSignatureIsTaken(t *testing.T) {
	r := newRepo(t)
	key := filepath.Join(r.root, "key")
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32)), "")
	if err != nil {
		t.Fatal(err)
	}
	writeSecret(t, key, string(pem.EncodeToMemory(block)))
	writeSecret(t, key+".pub", authorized(signer(t, 3)))
	for k, v := range map[string]string{"gpg.format": "ssh", "user.signingKey": key, "commit.gpgSign": "true"} {
		r.git("config", k, v)
	}
	r.write("a.yaml", "one")
	r.commit("signed by git itself")
	file := filepath.Join(r.root, "allowed_signers")
	write(t, file, "ann@example.com "+authorized(signer(t, 3)))
	o := r.over("file")
	o.Trust.AllowedSignersFile = file
	s := open(t, o)
	first := mustNext(t, s, "")
	if first.Signer != "ann@example.com" {
		t.Errorf("signer %q", first.Signer)
	}
	// The file is read again: who is struck off is refused from then on.
	write(t, file, "bob@example.com "+authorized(signer(t, 4)))
	r.commit("signed by somebody who left")
	if _, err := next(t, s, first.Revision); !errors.Is(err, ErrUntrusted) {
		t.Errorf("got %v, want the signer refused", err)
	}
}

func writeSecret(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pgpKey makes a PGP key that is valid from one year before the commits of
// the tests on, for the given time.
func pgpKey(t *testing.T, lifetime time.Duration) *openpgp.Entity {
	t.Helper()
	born := time.Unix(1700000000, 0).AddDate(-1, 0, 0)
	e, err := openpgp.NewEntity("Ann", "", "ann@example.com", &packet.Config{
		Time: func() time.Time { return born }, KeyLifetimeSecs: uint32(lifetime.Seconds()), Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// pgpSign is an armored signature made at the time of the commit.
func pgpSign(t *testing.T, e *openpgp.Entity, payload string) string {
	t.Helper()
	var b bytes.Buffer
	when := &packet.Config{Time: func() time.Time { return time.Unix(1700000000, 0) }}
	if err := openpgp.ArmoredDetachSign(&b, e, strings.NewReader(payload), when); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPGPSignatures(t *testing.T) {
	known, other, expired := pgpKey(t, 0), pgpKey(t, 0), pgpKey(t, 400*24*time.Hour)
	var ring bytes.Buffer
	for _, e := range []*openpgp.Entity{known, expired} {
		w, err := armor.Encode(&ring, openpgp.PublicKeyType, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(e.Serialize(w), w.Close()); err != nil {
			t.Fatal(err)
		}
		ring.WriteByte('\n')
	}
	for name, c := range map[string]struct {
		key  *openpgp.Entity
		word string
	}{
		"by a key of the ring": {known, ""},
		"by another key":       {other, "unknown entity"},
		"by an expired key":    {expired, "key expired"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			payload := headers(r.tree(entry{"100644", "a.yaml", r.object("blob", []byte("one"))})) + "\nsigned\n"
			r.pointTo(withSignature(payload, pgpSign(t, c.key, payload)))
			o := r.over("file")
			o.Trust.KeyringFile = filepath.Join(r.root, "ring.asc")
			write(t, o.Trust.KeyringFile, ring.String())
			s := open(t, o)
			if c.word != "" {
				refused(t, s, c.word)
			} else if got := mustNext(t, s, ""); got.Signer != "Ann <ann@example.com>" {
				t.Errorf("signer %q", got.Signer)
			}
		})
	}
}

func TestRewrittenHistoryIsRefusedWhereFastForwardIsRequired(t *testing.T) {
	r := newRepo(t)
	r.run(r.bare, "config", "uploadpack.allowFilter", "true")
	r.write("a.yaml", "one")
	base := r.commit("base")
	o := r.over("http")
	o.Trust.FastForward = true
	s := open(t, o)
	have := mustNext(t, s, "").Revision
	for i := range 3 {
		r.write("a.yaml", fmt.Sprint("next ", i))
		r.commit("ahead")
	}
	have = mustNext(t, s, have).Revision

	r.git("checkout", "-q", "-B", "main", base)
	r.write("a.yaml", "diverged")
	r.commit("force-pushed")
	if _, err := next(t, s, have); !errors.Is(err, ErrRewritten) {
		t.Errorf("diverged: %v", err)
	}
	asRefused(t, refused(t, s, "does not descend")) // also who has nothing is not told
	r.git("rm", "-q", "a.yaml")
	r.commit("on top of it, and empty")
	if err := refused(t, s, "does not descend"); errors.Is(err, ErrNoFiles) {
		t.Errorf("what history does not vouch for was looked into: %v", err)
	}
	r.git("reset", "-q", "--hard", base)
	r.push()
	if _, err := next(t, s, have); !errors.Is(err, ErrRewritten) {
		t.Errorf("moved back: %v", err)
	}
	r.git("checkout", "-q", "--orphan", "fresh")
	r.git("branch", "-f", "-M", "main")
	r.commit("unrelated")
	if _, err := next(t, s, have); !errors.Is(err, ErrRewritten) {
		t.Errorf("unrelated: %v", err)
	}
	o.Since = have
	if _, err := next(t, open(t, o), ""); !errors.Is(err, ErrRewritten) {
		t.Errorf("after a restart: %v", err)
	}
	plain := r.over("http")
	if got := mustNext(t, open(t, plain), have); got.Revision == have {
		t.Error("without the requirement a force-push is followed")
	}
}

func TestALongWayForwardIsProven(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("base")
	o := r.over("file") // without filters: commits come with their files
	o.Trust.FastForward = true
	s := open(t, o)
	have := mustNext(t, s, "").Revision
	tree := r.git("rev-parse", "HEAD^{tree}")
	tip := r.git("rev-parse", "HEAD")
	for range nearDepth + 10 {
		tip = r.object("commit", []byte(strings.Replace(headers(tree), "\nauthor", "\nparent "+tip+"\nauthor", 1)+"\nstep\n"))
	}
	r.run(r.bare, "update-ref", "refs/heads/main", tip)
	if got := mustNext(t, s, have); got.Revision != "main@sha1:"+tip {
		t.Errorf("got %s", got.Revision)
	}
}

func TestAfterARestartTheSameRevisionIsHandedOutAgain(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	have := "main@sha1:" + r.commit("first")
	o := r.over("file")
	o.Trust.FastForward, o.Since = true, have
	if got := mustNext(t, open(t, o), ""); got.Revision != have || read(t, got, "a.yaml") != "one" {
		t.Errorf("got %s", got.Revision)
	}
}

func TestASignatureOfGnuPGIsTaken(t *testing.T) {
	raw, err := os.ReadFile("testdata/gpg.commit")
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseCommit(raw)
	if err != nil {
		t.Fatal(err)
	}
	who, err := Trust{KeyringFile: "testdata/gpg.asc"}.verify(c, c.committed.Add(time.Hour))
	if err != nil || who != "Real Gpg <real@example.com>" {
		t.Errorf("signer %q, %v", who, err)
	}
}

func TestMovingTheDefaultBranchDoesNotGetAroundFastForward(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	o := r.over("file")
	o.Trust.FastForward = true
	s := open(t, o)
	have := mustNext(t, s, "").Revision
	r.git("checkout", "-q", "--orphan", "other")
	r.commit("unrelated")
	r.run(r.bare, "symbolic-ref", "HEAD", "refs/heads/other")
	if _, err := next(t, s, have); !errors.Is(err, ErrRewritten) {
		t.Errorf("got %v", err)
	}
}
