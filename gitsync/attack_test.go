package gitsync

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"golang.org/x/crypto/ssh"
)

// These are attacks and faults that no other file has a place for. The list of
// all of them, with the test of each, is in cmd/slotwright/attacks_test.go.

func TestTheFolderAskedForIsNeverALinkOrASubmodule(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(r *repo)
		word  string
	}{
		"a link to a folder of the repository": {link("live", "teams"), "live is a symbolic link"},
		"a link out of it":                     {link("live", "/etc"), "live is a symbolic link"},
		"a loop of links":                      {func(r *repo) { link("back", "live")(r); link("live", "back")(r) }, "live is a symbolic link"},
		"a submodule": {func(r *repo) {
			r.git("update-index", "--add", "--cacheinfo", "160000,1111111111111111111111111111111111111111,live")
			r.git("commit", "-q", "-m", "submodule")
			r.push()
		}, "live is a submodule"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.write("teams/a.yaml", "one")
			r.commit("good")
			c.spoil(r)
			o := r.over("file")
			for _, o.Path = range []string{"live", "live/deeper"} {
				refused(t, open(t, o), "is not a folder", c.word)
			}
		})
	}
}

// Trust is in the commit. A signed tag vouches for a commit, too, but whoever may
// push can point any tag anywhere, so that nobody's word but the commit's counts.
func TestASignedTagDoesNotVouchForAnUnsignedCommit(t *testing.T) {
	r := newRepo(t)
	key := signer(t, 1)
	tree := r.tree(entry{"100644", "a.yaml", r.object("blob", []byte("one"))})
	commit := r.pointTo([]byte(headers(tree) + "\nnot signed\n"))
	tag := fmt.Sprintf("object %s\ntype commit\ntag v1\ntagger c <c@example.com> 1700000000 +0000\n\nsigned\n", commit)
	h := r.object("tag", []byte(tag+sshSign(t, key, "git", tag)))
	r.run(r.bare, "update-ref", "refs/tags/v1", h)
	r.run(r.bare, "update-ref", "refs/tags/plain", commit)
	o := r.over("file")
	o.Trust.AllowedSignersFile = filepath.Join(r.root, "allowed_signers")
	write(t, o.Trust.AllowedSignersFile, "ann@example.com "+authorized(key))
	for _, o.Ref.Tag = range []string{"v1", "plain"} {
		if err := refused(t, open(t, o), "not signed"); !errors.Is(err, ErrUntrusted) {
			t.Error(err)
		}
	}
}

// A tag whose object says another commit than the list of references is not
// taken for either.
func TestATagThatPointsElsewhereThanTheServerSaysIsRefused(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	r.git("tag", "-a", "-m", "of the first", "v1")
	r.git("push", "-q", "origin", "--tags")
	r.write("a.yaml", "two")
	second := r.commit("second")
	srv := r.serve(nil, func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodGet {
			return false
		}
		tag := r.git("rev-parse", "v1")
		advertise(w, second+" HEAD", tag+" refs/tags/v1", second+" refs/tags/v1^{}")
		_ = pktline.NewEncoder(w).Flush()
		return true
	})
	refused(t, open(t, Options{URL: srv.URL + "/topology.git", Ref: Ref{Tag: "v1"}}), second)
}

func TestAKeyThatWasRevokedSignsNothing(t *testing.T) {
	key := pgpKey(t, 0)
	r := newRepo(t)
	payload := headers(r.tree(entry{"100644", "a.yaml", r.object("blob", []byte("one"))})) + "\nsigned\n"
	r.pointTo(withSignature(payload, pgpSign(t, key, payload)))
	o := r.over("file")
	o.Trust.KeyringFile = filepath.Join(r.root, "ring.asc")
	ring := func() {
		var b bytes.Buffer
		w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(key.Serialize(w), w.Close()); err != nil {
			t.Fatal(err)
		}
		write(t, o.Trust.KeyringFile, b.String())
	}
	ring()
	mustNext(t, open(t, o), "")
	if err := key.RevokeKey(packet.KeyCompromised, "lost", &packet.Config{}); err != nil {
		t.Fatal(err)
	}
	ring()
	if err := refused(t, open(t, o), "revoked"); !errors.Is(err, ErrUntrusted) {
		t.Error(err)
	}
}

func TestAMovedTagAndARenamedBranchAreSeen(t *testing.T) {
	r, hashes := versions(t)
	o := r.over("file")
	o.Ref.Tag = "v1.0.0"
	s := open(t, o)
	have := mustNext(t, s, "").Revision
	r.git("push", "-q", "-f", "origin", hashes["v3"]+":refs/tags/v1.0.0")
	if got := mustNext(t, s, have); got.Revision != "v1.0.0@sha1:"+hashes["v3"] {
		t.Errorf("the moved tag: %s", got.Revision)
	}
	o.Ref = Ref{Branch: "twin"}
	s = open(t, o)
	have = mustNext(t, s, "").Revision
	r.run(r.bare, "branch", "-m", "twin", "renamed")
	if _, err := next(t, s, have); !errors.Is(err, ErrNoRef) {
		t.Errorf("the renamed branch: %v", err)
	}
}

// Names that a server makes up are text and nothing else: neither paths nor
// options of any program.
func TestReferencesWithOddNamesAreOnlyNames(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	first := r.commit("first")
	srv := r.serve(nil, func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodGet {
			return false
		}
		advertise(w, first+" HEAD", first+" refs/heads/../../../etc/passwd", first+" refs/heads/--upload-pack=pwned",
			first+" refs/heads/main", first+" refs/tags/v9.9.9/../../heads/main")
		_ = pktline.NewEncoder(w).Flush()
		return true
	})
	url := srv.URL + "/topology.git"
	if got := mustNext(t, open(t, Options{URL: url, Ref: Ref{Branch: "main"}}), ""); got.Revision != "main@sha1:"+first {
		t.Errorf("got %s", got.Revision)
	}
	refused(t, open(t, Options{URL: url, Ref: Ref{Semver: ">0"}}), "not on the server")
	for _, name := range []string{"../../x", "--upload-pack=touch pwned", "-x", "a..b", "a\nb", "a b"} {
		if _, err := Clone(Options{URL: url, Ref: Ref{Branch: name}}); err == nil {
			t.Errorf("branch %q: %v", name, err)
		}
	}
}

func TestABranchThatFlapsIsFollowedAtThePaceOfTheInterval(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	first := r.commit("first")
	r.write("a.yaml", "two")
	second := r.commit("second")
	srv := r.serve(nil, nil)
	s := open(t, Options{URL: srv.URL + "/topology.git", Interval: time.Millisecond})
	have := mustNext(t, s, "").Revision
	for i := range 6 {
		to := []string{first, second}[i%2]
		r.run(r.bare, "update-ref", "refs/heads/main", to)
		got := mustNext(t, s, have)
		if got.Revision != "main@sha1:"+to || read(t, got, "a.yaml") != []string{"one", "two"}[i%2] {
			t.Fatalf("jump %d: %s says %q", i, got.Revision, read(t, got, "a.yaml"))
		}
		have = got.Revision
	}
	if srv.sent.Load() != 7 {
		t.Errorf("%d packs for 7 revisions", srv.sent.Load())
	}
}

// A commit that is refused again and again is asked for at the pace of failures,
// and a thousand wishes to look make few looks.
func TestNothingMakesASourceBusy(t *testing.T) {
	r := newRepo(t)
	r.write("README", "no topology")
	r.commit("first")
	srv := r.serve(nil, nil)
	s := open(t, Options{URL: srv.URL + "/topology.git", Interval: time.Hour})
	refused(t, s, "no .yaml")
	for range 1000 {
		s.Wake()
	}
	refused(t, s, "no .yaml")
	if n := srv.sent.Load(); n != 2 {
		t.Errorf("%d packs were fetched for a first look and a thousand wishes", n)
	}
	began, looked := time.Now(), atomic.Bool{}
	go func() {
		if _, err := s.Next(t.Context(), ""); err != nil {
			looked.Store(true)
		}
	}()
	for time.Since(began) < firstRetry/2 && !looked.Load() {
		time.Sleep(20 * time.Millisecond)
	}
	if looked.Load() {
		t.Errorf("after two failures it looked again within %s", time.Since(began))
	}
}

// certificateFor signs itself, with a validity and an address of its own.
func certificateFor(t *testing.T, ip string, till time.Time) *tls.Config {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: till.Add(-48 * time.Hour), NotAfter: till, IPAddresses: []net.IP{net.ParseIP(ip)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, public, crypto.Signer(private))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
}

func TestACertificateThatIsExpiredOrOfAnotherHostIsRefused(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	for word, conf := range map[string]*tls.Config{
		"expired":          certificateFor(t, loopback, time.Now().Add(-time.Hour)),
		"not " + loopback:  certificateFor(t, "192.0.2.1", time.Now().Add(time.Hour)),
		"is not yet valid": certificateFor(t, loopback, time.Now().Add(96*time.Hour)),
	} {
		srv := r.serve(conf, nil)
		silent(t, refused(t, open(t, srv.private(t)), "certificate", word))
		if srv.hits.Load() != 0 {
			t.Errorf("%s: a request was sent", word)
		}
	}
	srv := r.serve(certificateFor(t, loopback, time.Now().Add(time.Hour)), nil)
	mustNext(t, open(t, srv.private(t)), "")
}

// What servers and the proxies before them answer when something is wrong.
func TestEveryStatusThatIsNoAnswerIsAnErrorOfTheAttempt(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 429, 500, 502, 503, 504} {
		say := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "86400")
			http.Error(w, "<html>status</html>", status)
		}
		for name, url := range map[string]string{"list": hostile(t, say, nil).URL, "pack": hostile(t, nil, say).URL} {
			err := refused(t, open(t, Options{URL: url + "/topology.git"}), "pull http://")
			if errors.Is(err, ErrClosed) || errors.Is(err, ErrNoFiles) || errors.Is(err, ErrNoRef) {
				t.Errorf("%d for the %s: %v", status, name, err)
			}
		}
	}
}

func TestAnswersThatAreNotWhatTheyClaimAreRefused(t *testing.T) {
	// Some KiB on the wire, 64 MiB of well-formed lines once unzipped.
	zipped := func(begin func(w http.ResponseWriter), line string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			begin(zipping{w, z})
			e := pktline.NewEncoder(z)
			for range 64 * mib / int64(len(line)) {
				if e.EncodeString(line) != nil {
					return // cut off, as it should be
				}
			}
			_ = z.Close()
		}
	}
	for name, c := range map[string]struct {
		list, pack http.HandlerFunc
		word       string
	}{
		"a page instead of a pack": {nil, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("<html>sign in</html>"))
		}, "fetch " + someHash},
		"a length that is too long": {nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			_ = shallow(w).EncodeString("\x01PACK\x00\x00\x00\x02")
			panic(http.ErrAbortHandler)
		}, "fetch " + someHash},
		"a length that is too short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "20")
			advertise(w, someHash+" HEAD")
		}, nil, "list references"},
		"a list that unzips without end": {zipped(func(w http.ResponseWriter) { advertise(w, someHash+" HEAD") },
			someHash+" refs/heads/"+strings.Repeat("b", 1000)+"\n"), nil, "cap RefBytes"},
		"a pack that unzips without end": {nil, zipped(func(w http.ResponseWriter) { shallow(w) },
			"\x01"+strings.Repeat("x", 60_000)), "cap PackBytes"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{URL: hostile(t, c.list, c.pack).URL + "/topology.git"}
			o.Caps.RefBytes, o.Caps.PackBytes = mib, mib
			done := bounded(t, 32*mib)
			refused(t, open(t, o), c.word)
			done()
		})
	}
}

// zipping is a response that is zipped on its way.
type zipping struct {
	http.ResponseWriter
	to io.Writer
}

func (z zipping) Write(b []byte) (int, error) { return z.to.Write(b) }

// A peer that takes the connection and then says nothing, below HTTP as well as
// in the middle of what SSH carries.
func TestAPeerThatFallsSilentIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	host := signer(t, 7)
	midPack := serveSSH(t, "", func(ch ssh.Channel) {
		e := pktline.NewEncoder(ch)
		_ = e.EncodeString(someHash+" HEAD\x00side-band-64k shallow\n", someHash+" refs/heads/main\n")
		_ = e.Flush()
		go func() { _, _ = io.Copy(io.Discard, ch) }()
		_ = e.EncodeString("shallow " + someHash + "\n")
		_ = e.Flush()
		_ = e.EncodeString("NAK\n", "\x01PACK\x00\x00\x00\x02")
		<-t.Context().Done()
	}, host)
	for name, o := range map[string]Options{
		"plain HTTP":           {URL: "http://" + l.Addr().String() + "/x.git"},
		"the handshake of TLS": {URL: "https://" + l.Addr().String() + "/x.git"},
		"an HTTP proxy":        {URL: "http://git.invalid/x.git", Proxy: "http://" + l.Addr().String()},
		"a SOCKS proxy":        {URL: "http://git.invalid/x.git", Proxy: "socks5://" + l.Addr().String()},
		"a pack over SSH":      midPack.overSSH(t, "/x.git", host),
	} {
		t.Run(name, func(t *testing.T) {
			o.Timeout = time.Second
			refused(t, open(t, o), "no end after 1s")
		})
	}
}

func TestAProxyThatFailsIsAnErrorOfTheAttempt(t *testing.T) {
	broken := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }), nil)
	for _, o := range []Options{
		{URL: "http://git.invalid/x.git", Proxy: broken.URL},
		{URL: "https://git.invalid/x.git", Proxy: broken.URL},
		{URL: "https://git.invalid/x.git", Proxy: "socks5://" + loopback + ":1"},
	} {
		err := refused(t, open(t, o), "pull http")
		if strings.Contains(err.Error(), "no end after") {
			t.Errorf("%s: it waited: %v", o.Proxy, err)
		}
	}
}
