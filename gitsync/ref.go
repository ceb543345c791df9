package gitsync

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

// Ref says what is followed: at most one field is set. The zero Ref follows
// the branch that the server's HEAD names. The kinds are apart so that a tag
// can't take the place of a branch of the same name, or the reverse.
type Ref struct {
	Branch string // short name, such as main
	Tag    string // short name, such as v1.2.3
	Semver string // a range such as ">=1.2 <2": the highest version among the tags, a leading v is ignored
	Commit string // 40 hexadecimal digits; it never changes
}

var fullHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

func (r Ref) check() error {
	set := 0
	for _, s := range []string{r.Branch, r.Tag, r.Semver, r.Commit} {
		if s != "" {
			set++
		}
	}
	if set > 1 {
		return errors.New("more than one of branch, tag, semver and commit is given")
	}
	if r.Commit != "" && !fullHash.MatchString(r.Commit) {
		return errors.New("a commit is given by its full hash, 40 lower-case hexadecimal digits")
	}
	if r.Semver != "" {
		if _, err := semver.NewConstraint(r.Semver); err != nil {
			return fmt.Errorf("semver range %q: %w", r.Semver, err)
		}
	}
	if r.Branch != "" && plumbing.NewBranchReferenceName(r.Branch).Validate() != nil {
		return fmt.Errorf("branch name %q is not valid in git", r.Branch)
	}
	if r.Tag != "" && plumbing.NewTagReferenceName(r.Tag).Validate() != nil {
		return fmt.Errorf("tag name %q is not valid in git", r.Tag)
	}
	return nil
}

// target is what a reference stands for on the server right now.
type target struct {
	name   string          // of the branch or tag; "" for a commit
	want   []plumbing.Hash // what to ask the server for
	commit plumbing.Hash   // what the answer must contain
	deep   bool            // history is needed to find the commit
}

// revision is the name of the target in snapshots.
func (t target) revision() string {
	if t.name == "" {
		return "sha1:" + t.commit.String()
	}
	return t.name + "@sha1:" + t.commit.String()
}

// ErrNoRef is in the error for a branch, tag or version that the server does
// not have (any more). It is never taken for an empty repository.
var ErrNoRef = errors.New("not on the server")

// resolve finds r among the references a server advertises.
func (r Ref) resolve(ar *packp.AdvRefs) (target, error) {
	switch {
	case r.Branch != "":
		return named(ar, "refs/heads/", r.Branch, "branch")
	case r.Tag != "":
		return named(ar, "refs/tags/", r.Tag, "tag")
	case r.Semver != "":
		return r.highest(ar)
	case r.Commit != "":
		return byHash(ar, plumbing.NewHash(r.Commit)), nil
	}
	return head(ar)
}

func named(ar *packp.AdvRefs, prefix, name, kind string) (target, error) {
	h, ok := ar.References[prefix+name]
	if !ok {
		return target{}, fmt.Errorf("%s %s: %w", kind, name, ErrNoRef)
	}
	commit := h
	if peeled, annotated := ar.Peeled[prefix+name]; annotated {
		commit = peeled
	}
	return target{name: name, want: []plumbing.Hash{h}, commit: commit}, nil
}

func head(ar *packp.AdvRefs) (target, error) {
	if ar.Head == nil {
		return target{}, fmt.Errorf("HEAD: %w", ErrNoRef)
	}
	t := target{name: "HEAD", want: []plumbing.Hash{*ar.Head}, commit: *ar.Head}
	for _, s := range ar.Capabilities.Get(capability.SymRef) {
		if branch, ok := strings.CutPrefix(s, "HEAD:refs/heads/"); ok {
			t.name = branch
		}
	}
	return t, nil
}

// highest picks the greatest version in the range. Tags that are no versions
// are passed over; of two tags for the same version, the alphabetically first.
func (r Ref) highest(ar *packp.AdvRefs) (target, error) {
	inRange, err := semver.NewConstraint(r.Semver)
	if err != nil {
		return target{}, fmt.Errorf("semver range %q: %w", r.Semver, err)
	}
	var best *semver.Version
	var tag string
	for ref := range ar.References {
		name, ok := strings.CutPrefix(ref, "refs/tags/")
		if !ok {
			continue
		}
		v, err := semver.StrictNewVersion(strings.TrimPrefix(name, "v"))
		if err != nil || !inRange.Check(v) {
			continue
		}
		if best == nil || v.GreaterThan(best) || v.Equal(best) && name < tag {
			best, tag = v, name
		}
	}
	if best == nil {
		return target{}, fmt.Errorf("a tag in the range %s: %w", r.Semver, ErrNoRef)
	}
	return named(ar, "refs/tags/", tag, "tag")
}

// byHash asks for the commit itself where the server allows that, and for all
// branches and tags with their history where it does not.
func byHash(ar *packp.AdvRefs, commit plumbing.Hash) target {
	t := target{want: []plumbing.Hash{commit}, commit: commit}
	if ar.Capabilities.Supports(capability.AllowReachableSHA1InWant) {
		return t
	}
	tips := map[plumbing.Hash]bool{}
	for _, h := range ar.References {
		if h == commit {
			return t
		}
		tips[h] = true
	}
	t.want, t.deep = t.want[:0], true
	for h := range tips {
		t.want = append(t.want, h)
	}
	return t
}
