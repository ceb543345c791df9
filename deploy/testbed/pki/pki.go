// Package pki makes the keys, certificates and kubeconfig files of a cluster
// that lives for a test run. It must not be used for one that lives longer:
// keys lie in plain files and nothing is ever renewed.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

const lifetime = 30 * 24 * time.Hour

// Authority signs certificates and writes them into a directory.
type Authority struct {
	dir    string
	key    crypto.Signer
	signer *x509.Certificate
}

// New makes an authority and writes its certificate as ca.crt.
func New(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	signer, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "testbed"}, key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate authority: %w", err)
	}
	a := &Authority{dir: dir, key: key, signer: signer}
	return a, a.write("ca.crt", pemCertificate(signer.Raw))
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// Client writes NAME.crt and NAME.key of a client that Kubernetes knows as the
// user and in the groups given.
func (a *Authority) Client(name, user string, groups ...string) error {
	return a.issue(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// Server writes NAME.crt and NAME.key of a server reached by the names and addresses.
func (a *Authority) Server(name string, names []string, addresses ...string) error {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		DNSNames:    names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	return a.issue(name, template)
}

func (a *Authority) issue(name string, template *x509.Certificate) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = a.signer.NotBefore, time.Now().Add(lifetime)
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	key, err := newKey()
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.signer, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("sign the certificate of %s: %w", name, err)
	}
	if err := a.write(name+".crt", pemCertificate(der)); err != nil {
		return err
	}
	return a.writeKey(name+".key", key)
}

// KeyPair writes NAME.key and NAME.pub, as service account tokens are signed with.
func (a *Authority) KeyPair(name string) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := a.write(name+".pub", pem.EncodeToMemory(&pem.Block{Type: keyutil.PublicKeyBlockType, Bytes: public})); err != nil {
		return err
	}
	return a.writeKey(name+".key", key)
}

// Kubeconfig writes a kubeconfig file that carries the certificates of the
// client of that name in itself.
func (a *Authority) Kubeconfig(path, client, server string) error {
	config := api.NewConfig()
	files := map[string][]byte{"ca.crt": nil, client + ".crt": nil, client + ".key": nil}
	for file := range files {
		data, err := os.ReadFile(filepath.Join(a.dir, file))
		if err != nil {
			return err
		}
		files[file] = data
	}
	config.Clusters["testbed"] = &api.Cluster{Server: server, CertificateAuthorityData: files["ca.crt"]}
	config.AuthInfos[client] = &api.AuthInfo{ClientCertificateData: files[client+".crt"], ClientKeyData: files[client+".key"]}
	config.Contexts["testbed"] = &api.Context{Cluster: "testbed", AuthInfo: client}
	config.CurrentContext = "testbed"
	return clientcmd.WriteToFile(*config, path)
}

func pemCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: der})
}

func (a *Authority) writeKey(name string, key crypto.PrivateKey) error {
	data, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return err
	}
	return a.write(name, data)
}

func (a *Authority) write(name string, data []byte) error {
	return os.WriteFile(filepath.Join(a.dir, name), data, 0o600)
}
