package gitsync

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// subtree follows path from the root tree down.
func (p *pack) subtree(root plumbing.Hash, dir string) (plumbing.Hash, error) {
	if dir == "." {
		return root, nil
	}
	at := root
	for _, name := range strings.Split(dir, "/") {
		entries, err := p.entries(at)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		i := slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == name })
		if i < 0 {
			return plumbing.ZeroHash, fmt.Errorf("folder %s is not in the commit", dir)
		}
		if entries[i].Mode != filemode.Dir {
			return plumbing.ZeroHash, fmt.Errorf("%s is not a folder in the commit: %s is a %s", dir, name, kindOf(entries[i].Mode))
		}
		at = entries[i].Hash
	}
	return at, nil
}

func (p *pack) entries(h plumbing.Hash) ([]object.TreeEntry, error) {
	raw, err := p.read(h, plumbing.TreeObject)
	if err != nil {
		return nil, err
	}
	o := &plumbing.MemoryObject{}
	o.SetType(plumbing.TreeObject)
	if _, err := o.Write(raw); err != nil {
		return nil, err
	}
	var t object.Tree
	if err := t.Decode(o); err != nil {
		return nil, fmt.Errorf("tree %s: %w", h, err)
	}
	return t.Entries, nil
}

// walk gathers the YAML files below a tree. The same tree may stand in many
// places, so what is counted is visits, not objects.
func (p *pack) walk(tree plumbing.Hash, at string, g *gathering) error {
	entries, err := p.entries(tree)
	if err != nil {
		return err
	}
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		name := path.Join(at, e.Name)
		if err := g.visit(name); err != nil {
			return err
		}
		if seen[e.Name] {
			return fmt.Errorf("%q is twice in the same folder", name)
		}
		seen[e.Name] = true
		if strings.HasPrefix(e.Name, ".") && checkName(e.Name) == nil {
			continue
		}
		if err := p.enter(e, name, g); err != nil {
			return err
		}
	}
	return nil
}

// enter takes in one entry. What can't be read as plain YAML is an error and
// not passed over: a cluster that seems to have vanished is worse.
func (p *pack) enter(e object.TreeEntry, name string, g *gathering) error {
	if err := checkName(e.Name); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	switch e.Mode {
	case filemode.Dir:
		return p.walk(e.Hash, name, g)
	case filemode.Symlink, filemode.Submodule:
		return fmt.Errorf("%s is a %s: only plain files and folders are read", name, kindOf(e.Mode))
	}
	if !isYAML(name) {
		return nil
	}
	content, err := p.read(e.Hash, plumbing.BlobObject)
	if errors.Is(err, errMissing) {
		return fmt.Errorf("%s: %w: it is larger than the cap ObjectBytes or the server is broken", name, errMissing)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return g.add(name, content)
}

func kindOf(m filemode.FileMode) string {
	switch m {
	case filemode.Dir:
		return "folder"
	case filemode.Symlink:
		return "symbolic link"
	case filemode.Submodule:
		return "submodule"
	}
	return "file"
}

// checkName refuses the names that one of the systems a commit may pass
// through reads as something else than a name.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return errors.New("not a file name")
	case strings.EqualFold(name, ".git") || strings.EqualFold(name, "git~1"):
		return errors.New("git's own folder as a file name")
	case len(name) > 255:
		return errors.New("the name is longer than 255 bytes")
	case !utf8.ValidString(name):
		return errors.New("the name is not valid UTF-8")
	case strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == '\\' || r == ':' || r == '/'
	}):
		return errors.New("the name holds a control character, a slash, a backslash or a colon")
	}
	return nil
}

// lfsPointer is how a file begins that git-lfs keeps elsewhere
// (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
var lfsPointer = []byte("version https://git-lfs.github.com/spec/")

func isPointer(content []byte) bool { return bytes.HasPrefix(content, lfsPointer) }
