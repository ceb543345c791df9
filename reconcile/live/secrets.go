package live

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/slotwright/slotwright/spec"
)

// GoString keeps a login out of %#v, as String keeps it out of the rest.
func (Login) GoString() string { return "(login)" }

// Secrets reads a Kubernetes Secret by its name: only that platform can.
type Secrets func(name string) (map[string][]byte, error)

// ReadAccess reads the password and the TLS files that a topology names. They
// are read again at each call, so a rotated secret needs no restart. secrets is
// nil where there are no Kubernetes Secrets. An error names the place of a
// secret, never its content.
func ReadAccess(want spec.Topology, secrets Secrets) (Access, error) {
	if secrets == nil {
		secrets = func(string) (map[string][]byte, error) {
			return nil, errors.New("a Kubernetes Secret can be read only for platform.kubernetes")
		}
	}
	login, errLogin := readLogin(want, secrets)
	config, errTLS := readTLS(want, secrets)
	if err := errors.Join(errLogin, errTLS); err != nil {
		return Access{}, err
	}
	return Access{Login: login, TLS: config}, nil
}

func readLogin(want spec.Topology, secrets Secrets) (Login, error) {
	if want.Auth == nil {
		return Login{}, nil
	}
	password, err := readSecret(want, want.Auth.Password, secrets)
	if err != nil {
		return Login{}, fmt.Errorf("auth.password: %w", err)
	}
	return Login{Username: want.Auth.Username, Password: password}, nil
}

func readSecret(want spec.Topology, from spec.Secret, secrets Secrets) (string, error) {
	switch {
	case from.Env != "":
		if text, ok := os.LookupEnv(from.Env); ok && text != "" {
			return text, nil
		}
		return "", fmt.Errorf("the environment variable %s is not set", from.Env)
	case from.File != "":
		text, err := os.ReadFile(beside(want, from.File))
		if err != nil {
			return "", err
		}
		return firstLine(text, from.File)
	}
	all, err := secrets(from.SecretName)
	if err != nil {
		return "", err
	}
	return firstLine(all[from.SecretKey], fmt.Sprintf("key %s of Secret %s", from.SecretKey, from.SecretName))
}

// firstLine is a secret without the line end that editors add.
func firstLine(text []byte, place string) (string, error) {
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", place)
	}
	return secret, nil
}

// beside is a path as a topology file means it: relative to that file.
func beside(want spec.Topology, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(want.File), path)
}

func readTLS(want spec.Topology, secrets Secrets) (*tls.Config, error) {
	switch {
	case want.TLS == nil:
		return nil, nil
	case want.TLS.Secret != "":
		config, err := tlsOf(want.TLS.Secret, secrets)
		if err != nil {
			return nil, fmt.Errorf("tls.secret: %w", err)
		}
		return config, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := want.TLS.CertFile; file != "" {
		pair, err := tls.LoadX509KeyPair(beside(want, file), beside(want, want.TLS.KeyFile))
		if err != nil {
			return nil, fmt.Errorf("tls.certFile %s and tls.keyFile %s: %w", file, want.TLS.KeyFile, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if file := want.TLS.CAFile; file != "" {
		text, err := os.ReadFile(beside(want, file))
		if err != nil {
			return nil, fmt.Errorf("tls.caFile: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tls.caFile: %s holds no certificate", file)
		}
		config.RootCAs = roots
	}
	return config, nil
}

// tlsOf is TLS with the certificates of a Secret, under the keys that
// Kubernetes gives them (kubernetes.io/tls, and ca.crt beside).
func tlsOf(name string, secrets Secrets) (*tls.Config, error) {
	all, err := secrets(name)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(all["tls.crt"], all["tls.key"])
	if err != nil {
		return nil, fmt.Errorf("tls.crt and tls.key of Secret %s: %w", name, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(all["ca.crt"]) {
		return nil, fmt.Errorf("ca.crt of Secret %s holds no certificate", name)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, RootCAs: roots}, nil
}

// trusting is config for one server: host is what it was dialled as. Where the
// authority is one's own, a name is always checked against the certificate, and
// an IP address when the certificate names any; one that names none is accepted
// for its chain alone, as the servers do among themselves: nodes know each other
// by address, and addresses change.
func trusting(config *tls.Config, host string) *tls.Config {
	config = config.Clone()
	config.ServerName = host
	if config.RootCAs == nil || net.ParseIP(host) == nil {
		return config
	}
	config.InsecureSkipVerify = true // #nosec G402 -- VerifyConnection does it
	config.VerifyConnection = func(state tls.ConnectionState) error {
		leaf := state.PeerCertificates[0]
		opts := x509.VerifyOptions{Roots: config.RootCAs, Intermediates: x509.NewCertPool()}
		for _, cert := range state.PeerCertificates[1:] {
			opts.Intermediates.AddCert(cert)
		}
		if len(leaf.IPAddresses) > 0 {
			opts.DNSName = host
		}
		if _, err := leaf.Verify(opts); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		return nil
	}
	return config
}
