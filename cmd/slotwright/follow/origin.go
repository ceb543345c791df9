package follow

import (
	"cmp"
	"path/filepath"

	"github.com/slotwright/slotwright/spec"
)

// Origin says what topologies of a source may ask of this machine. Whoever may
// commit to a repository must not thereby read this machine's files, by naming
// them as passwords of a server of their own, or run programs here.
type Origin struct {
	// Name is what people know the source by. It holds no secret.
	Name string
	// Shown is put before the names of files in messages: the path in the
	// repository, or the directory.
	Shown string
	// Base is the directory that relative paths in topologies start from, as
	// if the source's files were there.
	Base string
	// Confined refuses paths that do not stay below Base, all paths when Base
	// is "", and processes on this machine unless Local permits them.
	Confined bool
	Local    bool
}

// refuse finds what a topology asks for and may not have.
func (o Origin) refuse(t spec.Topology) spec.Mistakes {
	if !o.Confined {
		return nil
	}
	var all spec.Mistakes
	say := func(text, hint string) {
		all = append(all, spec.Mistake{File: t.File, Line: t.Line, Cluster: t.Name, Text: text, Hint: hint})
	}
	if t.Platform.Local != nil && !o.Local {
		say("platform local is not permitted here: it starts processes on the machine of the daemon", "start the daemon with --allow-local")
	}
	for _, p := range paths(t) {
		switch {
		case o.Base == "":
			say("it names a file of the daemon's machine, which is not permitted: "+p, "start the daemon with --files DIR, and put the file there")
		case filepath.IsAbs(p) || !filepath.IsLocal(filepath.Join(filepath.Dir(t.File), p)):
			say("it names a file outside of --files: "+p, "name it relative to the topology's own place below that directory")
		}
	}
	return all
}

// paths are the files and directories that a topology names.
func paths(t spec.Topology) []string {
	var all []string
	if t.Auth != nil {
		all = append(all, t.Auth.Password.File)
	}
	if t.TLS != nil {
		all = append(all, t.TLS.CAFile, t.TLS.CertFile, t.TLS.KeyFile)
	}
	if l := t.Platform.Local; l != nil {
		all = append(all, l.Directory)
		if filepath.Base(l.Server) != l.Server {
			all = append(all, l.Server)
		}
	}
	var named []string
	for _, p := range all {
		if p != "" && p != "." {
			named = append(named, p)
		}
	}
	return named
}

// whole is what a mistake is about that is about all of a commit. Statuses of
// commits have room for few words.
func (o Origin) whole() string { return cmp.Or(o.Shown, "the commit") }

// place is the topology with its file where its relative paths start.
func (o Origin) place(t spec.Topology) spec.Topology {
	if o.Confined {
		t.File = filepath.Join(o.Base, t.File)
	}
	return t
}
