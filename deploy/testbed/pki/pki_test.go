package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func authority(t *testing.T) (*Authority, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	a, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a, dir
}

// read returns a certificate that fits its key and was signed by the authority for the use.
func read(t *testing.T, dir, name string, use x509.ExtKeyUsage) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestAClientIsWhoItsCertificateSays(t *testing.T) {
	a, dir := authority(t)
	if err := a.Client("k1", "system:node:k1", "system:nodes"); err != nil {
		t.Fatal(err)
	}
	got := read(t, dir, "k1", x509.ExtKeyUsageClientAuth)
	if got.Subject.CommonName != "system:node:k1" || !slices.Equal(got.Subject.Organization, []string{"system:nodes"}) {
		t.Errorf("subject %s", got.Subject)
	}
	info, err := os.Stat(filepath.Join(dir, "k1.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info.Mode(), err)
	}
}

func TestAServerIsTrustedByItsNamesAndAddressesOnly(t *testing.T) {
	a, dir := authority(t)
	if err := a.Server("apiserver", []string{"kubernetes.default.svc"}, "10.96.0.1"); err != nil {
		t.Fatal(err)
	}
	got := read(t, dir, "apiserver", x509.ExtKeyUsageServerAuth)
	for host, trusted := range map[string]bool{"10.96.0.1": true, "kubernetes.default.svc": true, "10.96.0.2": false} {
		if err := got.VerifyHostname(host); (err == nil) != trusted {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestAKubeconfigCarriesAllItNeeds(t *testing.T) {
	a, dir := authority(t)
	if err := a.Client("admin", "admin", "system:masters"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := a.Kubeconfig(path, "admin", "https://10.96.0.1"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://10.96.0.1" || len(config.CAData) == 0 {
		t.Errorf("config %v", config)
	}
	if _, err := tls.X509KeyPair(config.CertData, config.KeyData); err != nil {
		t.Error(err)
	}
}

func TestAKeyPairIsWrittenInBothParts(t *testing.T) {
	a, dir := authority(t)
	if err := a.KeyPair("sa"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sa.key", "sa.pub"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || len(data) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
