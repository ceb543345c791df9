package spec

import "fmt"

// Load reads every document of every source. The error is a Mistakes with all
// that is wrong, sorted by file and line; the topologies are those without
// a mistake of their own, in the order they were written. A caller that goes on with
// them must take a cluster that is not among them for unknown, not for gone:
// a file that can't be parsed doesn't even say whose it is.
func Load(sources []Source) ([]Topology, error) {
	var (
		all      []Topology
		mistakes Mistakes
	)
	for _, src := range sources {
		found, wrong := parse(src)
		all = append(all, found...)
		mistakes = append(mistakes, wrong...)
	}
	if len(all) == 0 && len(mistakes) == 0 {
		mistakes = Mistakes{{File: "source", Text: "no topology here: nothing was found to read"}}
	}
	all, shared := alone(all)
	if mistakes = append(mistakes, shared...); len(mistakes) > 0 {
		mistakes.sort()
		return all, mistakes
	}
	return all, nil
}

// Clashes are the mistakes of topologies that are all right by themselves and
// claim what another one claims; nil when none do. It is for topologies that
// were not loaded together.
func Clashes(all []Topology) Mistakes {
	_, mistakes := alone(all)
	return mistakes
}

// alone leaves out the topologies that claim what another one claims: a name, the
// address of a node, or a port for local processes or their cluster bus. Which of the two is right can't be known.
func alone(all []Topology) ([]Topology, Mistakes) {
	var mistakes Mistakes
	first := map[string]int{}
	out := make([]bool, len(all))
	for i, t := range all {
		for _, claim := range claims(t) {
			k, taken := first[claim.what]
			if !taken {
				first[claim.what] = i
				continue
			}
			other := all[k]
			out[i], out[k] = true, true
			mistakes = append(mistakes, Mistake{File: t.File, Line: claim.line, Cluster: t.Name,
				Text: fmt.Sprintf("%s is also claimed by cluster %s at %s:%d", claim.what, other.Name, other.File, other.Line)})
			break // one is enough to part them; two versions of one cluster would share everything
		}
	}
	var kept []Topology
	for i, t := range all {
		if !out[i] {
			kept = append(kept, t)
		}
	}
	return kept, mistakes.cut()
}

type claim struct {
	what string
	line int
}

func claims(t Topology) []claim {
	all := []claim{{"the name " + t.Name, t.Line}}
	if t.Platform.Static != nil {
		for _, n := range t.Platform.Static.Nodes {
			all = append(all, claim{"the address " + n.Address, t.Line})
		}
	}
	if t.Platform.Local != nil {
		if dir := t.Platform.Local.Directory; dir != "" {
			all = append(all, claim{"the directory " + t.Path(dir), t.Line})
		}
		for i := range t.Masters * (1 + t.ReplicasPerMaster) {
			port := t.Platform.Local.BasePort + i
			all = append(all, claim{fmt.Sprintf("port %d of this machine", port), t.Line},
				claim{fmt.Sprintf("port %d of this machine", port+busOffset), t.Line})
		}
	}
	return all
}
