package gitsync

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
)

// Auth says where credentials are found. All of it is files, and they are
// read again for every look, so a rotated secret needs no restart. Contents
// never appear in errors.
type Auth struct {
	// Username and PasswordFile are for HTTPS basic authentication, which is
	// also what most servers want a token as. Username defaults to the URL's
	// user, then to "git".
	Username     string
	PasswordFile string
	// TokenFile holds a token sent as "Authorization: Bearer". It excludes
	// PasswordFile.
	TokenFile string

	// CAFile holds PEM certificates of authorities to trust beside the
	// system's. CertFile and KeyFile are a client certificate.
	CAFile, CertFile, KeyFile string

	// SSHKeyFile is a private key, SSHPassphraseFile the passphrase if it is
	// encrypted.
	SSHKeyFile, SSHPassphraseFile string
	// KnownHostsFile lists the servers' host keys. A host that is not in it
	// is refused: keys are never learned on first use. Default: those of
	// ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts that exist.
	KnownHostsFile string
}

// secretBytes bounds any file with a secret or certificates in it.
const secretBytes = 1 << 20

// check finds settings that can't work with the address, before any network.
func (a Auth) check(at address) error {
	if a.PasswordFile != "" && a.TokenFile != "" {
		return errors.New("a password file and a token file are given: use one")
	}
	if (a.CertFile == "") != (a.KeyFile == "") {
		return errors.New("a client certificate needs both a certificate and a key file")
	}
	if at.scheme == "http" && (a.PasswordFile != "" || a.TokenFile != "" || a.CertFile != "") {
		return errors.New("credentials are never sent over plain http: use https")
	}
	if at.scheme == "ssh" && a.SSHKeyFile == "" {
		return errors.New("an SSH repository needs a private key file")
	}
	return nil
}

// secret is the first line's worth of a file: its content without the line
// end. An empty file is an error, for it is usually a mount that is not ready.
func secret(what, path string) (string, error) {
	b, err := readCapped(path)
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	b = bytes.TrimRight(b, "\r\n")
	if len(b) == 0 {
		return "", fmt.Errorf("read the %s: %s is empty", what, path)
	}
	if bytes.ContainsAny(b, "\r\n\x00") {
		return "", fmt.Errorf("read the %s: %s has more than one line", what, path)
	}
	return string(b), nil
}

func readCapped(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, secretBytes+1))
	if err == nil && len(b) > secretBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, secretBytes)
	}
	return b, err
}

// tlsConfig trusts the system's authorities and those of CAFile.
func (a Auth) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.CAFile != "" {
		pem, err := readCapped(a.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the authorities: %w", err)
		}
		if c.RootCAs, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("read the system's authorities: %w", err)
		}
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the authorities: no certificate in %s", a.CAFile)
		}
	}
	if a.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(a.CertFile, a.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
