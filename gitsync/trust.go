package gitsync

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
)

// Trust says what a commit must prove before it is handed out. The zero Trust
// asks for nothing. Files are read again for every new commit.
//
// A signed commit vouches for the whole tree it names, and so for everything
// that unsigned commits before it left there. The key of a hosting service
// proves no more than that somebody merged there.
type Trust struct {
	// AllowedSignersFile is an OpenSSH allowed_signers file; with it,
	// commits signed by its keys are accepted.
	AllowedSignersFile string
	// KeyringFile holds armored PGP public keys; with it, commits signed by
	// them are accepted.
	KeyringFile string
	// FastForward refuses a commit that does not descend from the one the
	// caller has, so that a force-push changes nothing. It is for branches
	// and tags.
	FastForward bool
}

// ErrUntrusted is in the error for a commit without a good signature by a
// trusted key.
var ErrUntrusted = errors.New("the commit is not trusted")

// clockSkew is how far ahead of ours a committer's clock may be.
const clockSkew = 10 * time.Minute

func (t Trust) check(r Ref) error {
	if t.FastForward && (r.Semver != "" || r.Commit != "") {
		return errors.New("fast-forward can be required of a branch or a tag, not of a version range or a commit")
	}
	return nil
}

// verify returns who signed a commit, or "" when nothing is asked for.
func (t Trust) verify(c commit, now time.Time) (signer string, err error) {
	switch {
	case t.AllowedSignersFile == "" && t.KeyringFile == "":
		return "", nil
	case c.signature == nil:
		err = errors.New("it is not signed")
	case c.committed.After(now.Add(clockSkew)):
		err = fmt.Errorf("it is dated in the future, %s", c.committed.UTC().Format(time.RFC3339))
	case bytes.HasPrefix(c.signature, []byte("-----BEGIN SSH SIGNATURE-----")):
		signer, err = t.verifySSH(c, now)
	case bytes.HasPrefix(c.signature, []byte("-----BEGIN PGP SIGNATURE-----")):
		signer, err = t.verifyPGP(c, now)
	default:
		err = errors.New("its signature is neither SSH nor PGP")
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	return signer, nil
}

// signatureNamespace is what git signs with, so that a signature made over a
// file, with the same key, is not one over a commit.
const signatureNamespace = "git"

func (t Trust) verifySSH(c commit, now time.Time) (string, error) {
	if t.AllowedSignersFile == "" {
		return "", errors.New("it has an SSH signature, and no allowed_signers file is given")
	}
	text, err := readCapped(t.AllowedSignersFile)
	if err != nil {
		return "", fmt.Errorf("read the allowed signers: %w", err)
	}
	allowed, err := parseAllowedSigners(text)
	if err != nil {
		return "", fmt.Errorf("read the allowed signers: %w", err)
	}
	sig, err := sshsig.Unarmor(c.signature)
	if err != nil {
		return "", fmt.Errorf("read the signature: %w", err)
	}
	if err := sshsig.Verify(bytes.NewReader(c.signed), sig, sig.PublicKey, sig.HashAlgorithm, signatureNamespace); err != nil {
		return "", fmt.Errorf("the signature does not fit: %w", err)
	}
	return allowed.principals(sig.PublicKey, signatureNamespace, c.committed, now)
}

func (t Trust) verifyPGP(c commit, now time.Time) (string, error) {
	if t.KeyringFile == "" {
		return "", errors.New("it has a PGP signature, and no keyring is given")
	}
	text, err := readCapped(t.KeyringFile)
	if err != nil {
		return "", fmt.Errorf("read the keyring: %w", err)
	}
	ring, err := parseKeyring(text)
	if err != nil {
		return "", fmt.Errorf("read the keyring: %w", err)
	}
	block, err := armor.Decode(bytes.NewReader(c.signature))
	if err != nil {
		return "", fmt.Errorf("read the signature: %w", err)
	}
	conf := &packet.Config{Time: func() time.Time { return now }}
	sig, signer, err := openpgp.VerifyDetachedSignature(ring, bytes.NewReader(c.signed), block.Body, conf)
	if err != nil {
		return "", fmt.Errorf("the signature does not fit: %w", err)
	}
	if sig.SigType != packet.SigTypeBinary || sig.Hash == crypto.SHA1 || sig.Hash == crypto.MD5 || sig.Hash == crypto.RIPEMD160 {
		return "", errors.New("the signature is of a kind that is too weak")
	}
	return identity(signer), nil
}

// parseKeyring reads every armored block of a file, as concatenating the keys
// of a team makes it; openpgp reads the first.
func parseKeyring(text []byte) (openpgp.EntityList, error) {
	begin := []byte("-----BEGIN " + openpgp.PublicKeyType + "-----")
	var all openpgp.EntityList
	for _, block := range bytes.Split(text, begin)[1:] {
		keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(append(bytes.Clone(begin), block...)))
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	if len(all) == 0 {
		return nil, errors.New("no armored public key")
	}
	return all, nil
}

// identity is how people know a key: its user ID, or its fingerprint.
func identity(e *openpgp.Entity) string {
	if id := e.PrimaryIdentity(); id != nil && id.UserId != nil {
		return id.UserId.Id
	}
	return fmt.Sprintf("%X", e.PrimaryKey.Fingerprint)
}
