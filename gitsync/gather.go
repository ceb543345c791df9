package gitsync

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing/fstest"
)

// gathering collects the files of one snapshot within the caps. The file
// system in memory is the standard library's; that it was made for tests
// makes it no worse.
type gathering struct {
	caps    Caps
	into    fstest.MapFS
	digests map[string][sha256.Size]byte
	visited int64
	bytes   int64
}

func gather(caps Caps) *gathering {
	return &gathering{caps: caps, into: fstest.MapFS{}, digests: map[string][sha256.Size]byte{}}
}

// isYAML reports whether a file's name says that it is for us.
func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// visit counts one name, of whatever kind.
func (g *gathering) visit(name string) error {
	g.visited++
	if err := check(g.visited, g.caps.Entries, "Entries", "the files and folders below the path"); err != nil {
		return err
	}
	return check(int64(strings.Count(name, "/")), g.caps.Depth, "Depth", "the depth of "+name)
}

// add takes in one file.
func (g *gathering) add(name string, content []byte) error {
	if err := g.admit(name, int64(len(content))); err != nil {
		return err
	}
	if isPointer(content) {
		return fmt.Errorf("%s is a git-lfs pointer: its content is not in the repository", name)
	}
	g.into[name] = &fstest.MapFile{Data: content, Mode: 0o444}
	g.digests[name] = sha256.Sum256(content)
	g.bytes += int64(len(content))
	return nil
}

// admit says whether a file of this size still fits.
func (g *gathering) admit(name string, size int64) error {
	if err := check(size, g.caps.FileBytes, "FileBytes", fmt.Sprintf("%s has %d bytes", name, size)); err != nil {
		return err
	}
	if err := check(g.bytes+size, g.caps.TotalBytes, "TotalBytes", "the YAML files together"); err != nil {
		return err
	}
	return check(int64(len(g.digests))+1, g.caps.Files, "Files", "the number of YAML files")
}

// files is what was gathered.
func (g *gathering) files() fs.FS { return g.into }

// digest is a hash over the names and contents, independent of their order.
func (g *gathering) digest() string {
	all := sha256.New()
	names := make([]string, 0, len(g.digests))
	for name := range g.digests {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		sum := g.digests[name]
		writeField(all, name)
		writeField(all, string(sum[:]))
	}
	return hex.EncodeToString(all.Sum(nil))
}

// writeField hashes a text so that no two lists of texts look the same.
func writeField(h hash.Hash, s string) {
	fmt.Fprintf(h, "%d:%s", len(s), s)
}

// cleanPath is the folder followed, as slash-separated names; "." is the
// whole repository.
func cleanPath(p string) (string, error) {
	clean := path.Clean(strings.TrimPrefix(p, "/"))
	if !fs.ValidPath(clean) {
		return "", fmt.Errorf("path %q does not stay inside the repository", p)
	}
	return clean, nil
}
