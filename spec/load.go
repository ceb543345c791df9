package spec

import "fmt"

// Load reads every document of every source. The error is a Mistakes with all
// that is wrong, sorted by file and line; the topologies are those without
// a mistake of their own, in the order they were written. A caller that goes on with
// them must take a cluster that is not among them for unknown, not for gone:
// a file that can't be parsed doesn't even say whose it is.
func Load(sources []Source) ([]Topology, error) { return LoadOver(sources, nil) }

// LoadOver is Load for a source whose topologies are in force already: where two
// claim the same, the one that has it keeps it, and the other one has the mistake.
func LoadOver(sources []Source, inForce []Topology) ([]Topology, error) {
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
	all, shared := Part(all, inForce)
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
	_, mistakes := Part(all, nil)
	return mistakes
}

// Part leaves out the topologies that claim what another one claims: a name, the
// address of a node, or a port for local processes or their cluster bus. What is
// in force keeps what it has there; where neither has it, which of the two is
// right can't be known, and both are left out.
func Part(all, inForce []Topology) ([]Topology, Mistakes) {
	var mistakes Mistakes
	holders := holdersOf(inForce)
	first := map[string]int{}
	out := make([]bool, len(all))
	lost := map[[2]int]bool{} // one of two to the other
	for i, t := range all {
		for _, what := range claims(t) {
			k, taken := first[what]
			if !taken {
				first[what] = i
				continue
			}
			switch holder := holders[what]; {
			case holder.is(all[k]) && !holder.is(t):
				out[i] = true
				mistakes = append(mistakes, clash(t, all[k], what, keepsIt))
			case lost[[2]int{k, i}]:
				first[what] = i
				continue
			case holder.is(t) && !holder.is(all[k]):
				mistakes = append(mistakes, clash(all[k], t, what, keepsIt))
				out[k], lost[[2]int{k, i}], first[what] = true, true, i
				continue // t may have more of what others claim
			default:
				out[i], out[k] = true, true
				mistakes = append(mistakes, clash(t, all[k], what, ""))
			}
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

const keepsIt = ", which has it and keeps it"

func clash(wrong, other Topology, what, why string) Mistake {
	return Mistake{File: wrong.File, Line: wrong.Line, Cluster: wrong.Name,
		Text: fmt.Sprintf("%s is also claimed by cluster %s at %s:%d%s", what, other.Name, other.File, other.Line, why)}
}

// holder is who has something in force: a cluster, and for a name, which two
// documents may claim, the file that it stands in. The zero value is nobody.
type holder struct{ name, file string }

func holdersOf(inForce []Topology) map[string]holder {
	out := map[string]holder{}
	for _, t := range inForce {
		for i, what := range claims(t) {
			h := holder{name: t.Name}
			if i == 0 {
				h.file = t.File
			}
			out[what] = h
		}
	}
	return out
}

func (h holder) is(t Topology) bool {
	return h.name == t.Name && (h.file == "" || h.file == t.File)
}

// claims are what no two topologies may have, the name first.
func claims(t Topology) []string {
	all := []string{"the name " + t.Name}
	if t.Platform.Static != nil {
		for _, n := range t.Platform.Static.Nodes {
			all = append(all, "the address "+n.Address)
		}
	}
	if t.Platform.Local != nil {
		if dir := t.Platform.Local.Directory; dir != "" {
			all = append(all, "the directory "+t.Path(dir))
		}
		for i := range t.Masters * (1 + t.ReplicasPerMaster) {
			port := t.Platform.Local.BasePort + i
			all = append(all, fmt.Sprintf("port %d of this machine", port), fmt.Sprintf("port %d of this machine", port+busOffset))
		}
	}
	return all
}
