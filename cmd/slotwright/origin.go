package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/gitsync"
)

// origin is what the command line says of a source.
type origin struct {
	source string
	git    gitsync.Options
	dir    gitsync.DirOptions
	files  string
	local  bool
}

func (o *origin) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.source, "source", "", "what to follow: https://, ssh://, file:// or user@host:path for git, else a directory")
	flags.StringVar(&o.git.Ref.Branch, "branch", "", "follow this branch; default: the one the server names")
	flags.StringVar(&o.git.Ref.Tag, "tag", "", "follow this tag instead")
	flags.StringVar(&o.git.Ref.Semver, "semver", "", "follow the highest tag in this range instead, such as '>=1.2 <2'")
	flags.StringVar(&o.git.Ref.Commit, "commit", "", "stay at this commit instead: 40 hexadecimal digits")
	flags.StringVar(&o.git.Path, "path", "", "the folder in the repository to read; default: all of it")
	flags.DurationVar(&o.git.Interval, "interval", time.Minute, "time between looks at git; at a directory without events, 30s or less")
	flags.DurationVar(&o.git.Timeout, "pull-timeout", time.Minute, "give up one look at git after this long")
	flags.BoolVar(&o.dir.Poll, "poll", false, "read the directory every two seconds instead of waiting for events (NFS, some containers)")
	flags.StringVar(&o.files, "files", "", "`DIR` below which topologies from git may name files, as if the repository were there; links in it are followed")
	flags.BoolVar(&o.local, "allow-local", false, "let topologies from git start servers on this machine")

	auth := &o.git.Auth
	flags.StringVar(&auth.Username, "git-username", "", "user for HTTPS; default: the URL's, else git")
	flags.StringVar(&auth.PasswordFile, "git-password-file", "", "`FILE` with the password for HTTPS; read at every look")
	flags.StringVar(&auth.TokenFile, "git-token-file", "", "`FILE` with a bearer token for HTTPS; read at every look")
	flags.StringVar(&auth.CAFile, "git-ca-file", "", "`FILE` with authorities to trust beside the system's")
	flags.StringVar(&auth.CertFile, "git-cert-file", "", "`FILE` with a client certificate")
	flags.StringVar(&auth.KeyFile, "git-key-file", "", "`FILE` with its key")
	flags.StringVar(&auth.SSHKeyFile, "ssh-key-file", "", "`FILE` with the private key for SSH")
	flags.StringVar(&auth.SSHPassphraseFile, "ssh-passphrase-file", "", "`FILE` with that key's passphrase")
	flags.StringVar(&auth.KnownHostsFile, "known-hosts-file", "", "`FILE` with the host keys of SSH servers; default: the usual ones")
	flags.StringVar(&o.git.Proxy, "proxy", "", "proxy `URL`; default: from the usual environment variables")

	trust := &o.git.Trust
	flags.StringVar(&trust.AllowedSignersFile, "allowed-signers-file", "", "accept commits signed by a key of this OpenSSH allowed_signers `FILE`, and no unsigned ones")
	flags.StringVar(&trust.KeyringFile, "keyring-file", "", "accept commits signed by a PGP key of this `FILE`, and no unsigned ones")
	flags.BoolVar(&trust.FastForward, "require-fast-forward", false, "refuse a revision that does not descend from the one before")
}

// scpLike is git's short form of an SSH address, which no path of a directory
// looks like.
var scpLike = regexp.MustCompile(`^[^/:@]+@[^/:@]+:.`)

func (o *origin) isGit() bool {
	return strings.Contains(o.source, "://") || scpLike.MatchString(o.source)
}

func (o *origin) check() error {
	switch {
	case o.source == "":
		return usage{errors.New("--source is missing")}
	case o.git.Interval <= 0 || o.git.Timeout <= 0:
		return usage{errors.New("--interval and --pull-timeout must be more than nothing")}
	case o.isGit():
		return nil
	case o.git.Ref != gitsync.Ref{} || o.git.Path != "" || o.git.Trust != gitsync.Trust{} || o.git.Auth != gitsync.Auth{}:
		return usage{fmt.Errorf("--source %s is a directory, and other flags are about git", o.source)}
	}
	_, err := os.Stat(o.source)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// ref is the full name of the branch or tag that is followed, if one is named.
func (o *origin) ref() string {
	switch r := o.git.Ref; {
	case r.Branch != "":
		return "refs/heads/" + r.Branch
	case r.Tag != "":
		return "refs/tags/" + r.Tag
	}
	return ""
}

// identity is what makes two daemons follow the same.
func (o *origin) identity() []string {
	if !o.isGit() {
		root, err := filepath.Abs(o.source)
		if err != nil {
			root = o.source
		}
		return []string{root}
	}
	r := o.git.Ref
	return []string{o.source, r.Branch, r.Tag, r.Semver, r.Commit, o.git.Path}
}

// place says what topologies of the source may ask for.
func (o *origin) place() follow.Origin {
	if !o.isGit() {
		return follow.Origin{Name: o.source, Shown: o.source, Base: o.source}
	}
	return follow.Origin{
		Name: gitsync.Display(o.source), Shown: strings.Trim(o.git.Path, "/"),
		Base: o.files, Confined: true, Local: o.local,
	}
}

// open begins to follow. Nothing is read yet.
func (o *origin) open(memory *follow.Memory, looked func(error)) (gitsync.Source, error) {
	if !o.isGit() {
		o.dir.Rescan, o.dir.Looked = min(o.git.Interval, 30*time.Second), looked
		return gitsync.Dir(o.source, o.dir)
	}
	since, err := memory.Seen()
	if err != nil && o.git.Trust.FastForward { // without it the loss is only logged
		return nil, fault{
			text: fmt.Sprintf("source: which history %s had can't be told: %s", gitsync.Display(o.source), err),
			hint: fmt.Sprintf("bring %s back, or remove it to follow whatever the branch has now", memory.Path()),
		}
	}
	o.git.URL, o.git.Since, o.git.Looked = o.source, since, looked
	source, err := gitsync.Clone(o.git)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	return source, nil
}
