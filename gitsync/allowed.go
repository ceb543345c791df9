package gitsync

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// allowedSigners is an OpenSSH allowed_signers file (ssh-keygen(1), ALLOWED
// SIGNERS).
type allowedSigners []allowedSigner

// allowedSigner is one line: who may sign with a key, for what and when.
type allowedSigner struct {
	principals string // as written, without quotes
	key        []byte // in wire format
	namespaces string // a list of patterns; "" allows every namespace
	from, till time.Time
}

// parseAllowedSigners reads a whole file. A line that is not understood is an
// error, not passed over: it may hold the restriction that matters.
func parseAllowedSigners(text []byte) (allowedSigners, error) {
	var all allowedSigners
	for i, line := range bytes.Split(text, []byte{'\n'}) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		s, err := parseAllowedSigner(string(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, errors.New("no signer")
	}
	return all, nil
}

func parseAllowedSigner(line string) (allowedSigner, error) {
	principals, rest, err := cutPrincipals(line)
	if err != nil {
		return allowedSigner{}, err
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil {
		return allowedSigner{}, errors.New("no public key")
	}
	s := allowedSigner{principals: principals, key: key.Marshal()}
	seen := map[string]bool{}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		name = strings.ToLower(name)
		if seen[name] {
			return allowedSigner{}, fmt.Errorf("option %s is given twice", name)
		}
		seen[name] = true
		if err := s.option(name, value); err != nil {
			return allowedSigner{}, err
		}
	}
	return s, nil
}

// cutPrincipals splits off the first field, which may be in quotes.
func cutPrincipals(line string) (principals, rest string, err error) {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		principals, rest, ok = strings.Cut(quoted, `"`)
		if !ok {
			return "", "", errors.New("a quote without an end")
		}
	} else if i := strings.IndexAny(line, " \t"); i >= 0 {
		principals, rest = line[:i], line[i:]
	}
	if principals == "" || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
		return "", "", errors.New("it is not principals followed by a key")
	}
	return principals, strings.TrimSpace(rest), nil
}

func (s *allowedSigner) option(name, value string) (err error) {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	switch name {
	case "namespaces":
		s.namespaces = value
		if value == "" {
			err = errors.New("namespaces is empty")
		}
	case "valid-after":
		s.from, err = parseStamp(value)
	case "valid-before":
		s.till, err = parseStamp(value)
	default:
		err = fmt.Errorf("option %s is not supported", name)
	}
	return err
}

// parseStamp reads YYYYMMDD[HHMM[SS]][Z]; without the Z it is local time, as
// for ssh-keygen.
func parseStamp(s string) (time.Time, error) {
	digits, utc := strings.CutSuffix(s, "Z")
	zone := time.Local
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) == len(digits) {
			if t, err := time.ParseInLocation(layout, digits, zone); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 20260131 or 20260131235959Z", s)
}

// principals returns who a key belongs to when one of its lines allows it to
// sign in the namespace, at all the times. All of them count, the commit's
// own and now, because a commit's date is the signer's to choose: the thief
// of a key that is no longer valid would date the commit back.
func (all allowedSigners) principals(key ssh.PublicKey, namespace string, times ...time.Time) (string, error) {
	wire := key.Marshal()
	err := fmt.Errorf("its key %s is not among the allowed signers", ssh.FingerprintSHA256(key))
	for _, s := range all {
		if !bytes.Equal(s.key, wire) {
			continue
		}
		if err = s.allows(namespace, times); err == nil {
			return s.principals, nil
		}
	}
	return "", err
}

func (s allowedSigner) allows(namespace string, times []time.Time) error {
	if s.namespaces != "" && !matchList(s.namespaces, namespace) {
		return fmt.Errorf("the key of %s may not sign in the namespace %s", s.principals, namespace)
	}
	for _, t := range times {
		if !s.from.IsZero() && t.Before(s.from) {
			return fmt.Errorf("the key of %s is valid only after %s", s.principals, s.from.UTC().Format(time.RFC3339))
		}
		if !s.till.IsZero() && !t.Before(s.till) {
			return fmt.Errorf("the key of %s was valid only before %s", s.principals, s.till.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// matchList reports whether a word is in a list of patterns as OpenSSH reads
// them: * and ? are wildcards, and a pattern after ! takes the word out again.
func matchList(list, word string) bool {
	found := false
	for _, pattern := range strings.Split(list, ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		pattern = strings.NewReplacer(`\`, `\\`, `[`, `\[`).Replace(pattern)
		if ok, _ := path.Match(pattern, word); ok {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}
