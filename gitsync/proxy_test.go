package gitsync

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh/knownhosts"
)

func TestAnHTTPProxyIsUsedAndItsPasswordNotPrinted(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	to, err := url.Parse(r.serve(nil, nil).URL)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:canary"))
	forward := httputil.NewSingleHostReverseProxy(to)
	via := listen(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if got := req.Header.Get("Proxy-Authorization"); got != want {
			http.Error(w, "no entry with "+got, http.StatusProxyAuthRequired)
			return
		}
		asked.Add(1)
		forward.ServeHTTP(w, req)
	}), nil)
	o := Options{URL: "http://git.invalid/topology.git", Proxy: strings.Replace(via.URL, "http://", "http://ann:canary@", 1)}
	mustNext(t, open(t, o), "")
	if asked.Load() == 0 {
		t.Error("the proxy was not asked")
	}
	via.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Error(w, "no entry with "+req.Header.Get("Proxy-Authorization")+" canary", http.StatusForbidden)
	})
	silent(t, refused(t, open(t, o), "no entry"))
	o.Proxy = "http://ann:canary@" + loopback + ":1"
	silent(t, refused(t, open(t, o), "refused"))
	o.Proxy = "http://ann:canary@ :x"
	silent(t, refused(t, open(t, o), "proxy URL"))
}

// socks is a SOCKS5 proxy (RFC 1928) that connects everybody to one place.
func socks(t *testing.T, to string) (addr string, used *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	used = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.ReadFull(c, make([]byte, 3)) // version, one method, none
				_, _ = c.Write([]byte{5, 0})
				head := make([]byte, 5) // version, connect, reserved, a name, its length
				_, _ = io.ReadFull(c, head)
				_, _ = io.ReadFull(c, make([]byte, int(head[4])+2))
				_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
				used.Add(1)
				if out, err := net.Dial("tcp", to); err == nil {
					go func() { _, _ = io.Copy(out, c); _ = out.Close() }()
					_, _ = io.Copy(c, out)
				}
			}()
		}
	}()
	return l.Addr().String(), used
}

func TestASOCKSProxyCarriesSSHAndNoOtherDoes(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	host := signer(t, 7)
	srv := serveSSH(t, r.root, nil, host)
	addr, used := socks(t, srv.Addr().String())
	o := withSSHFiles(t, Options{URL: "git@git.invalid:" + r.bare, Proxy: "socks5://" + addr}, "git.invalid:22", host)
	mustNext(t, open(t, o), "")
	if used.Load() == 0 {
		t.Error("the proxy was not used")
	}
	o.Proxy = "http://" + addr
	refused(t, open(t, o), "only a socks5 proxy carries SSH")
}

func TestAClientCertificateIsShown(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	conf, client := encrypted(t), certificate(t)
	conf.ClientAuth = tls.RequireAnyClientCert
	conf.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		if !bytes.Equal(raw[0], client.Certificate[0]) {
			t.Error("another certificate was shown")
		}
		return nil
	}
	o := r.serve(conf, nil).private(t)
	o.Auth.PasswordFile = ""
	refused(t, open(t, o), "certificate")
	der, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	o.Auth.CertFile, o.Auth.KeyFile = filepath.Join(t.TempDir(), "crt"), filepath.Join(t.TempDir(), "key")
	write(t, o.Auth.CertFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: client.Certificate[0]})))
	writeSecret(t, o.Auth.KeyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	mustNext(t, open(t, o), "")
	write(t, o.Auth.CAFile, "no certificate")
	refused(t, open(t, o), "no certificate in")
}

func TestKnownHostsOfTheUserAreTheDefault(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("first")
	host := signer(t, 7)
	srv := serveSSH(t, r.root, nil, host)
	o := srv.overSSH(t, r.bare)
	o.Auth.KnownHostsFile = ""
	t.Setenv("HOME", t.TempDir())
	known := filepath.Join(r.root, ".ssh", "known_hosts")
	write(t, known, knownhosts.Line([]string{srv.Addr().String()}, host.PublicKey())+"\n")
	refused(t, open(t, o), "known_hosts") // never learned on first use
	t.Setenv("HOME", r.root)
	mustNext(t, open(t, o), "")
}
