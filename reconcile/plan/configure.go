package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// configure sets the directives that differ live, on all nodes at once, and
// before slots move: it may be what gives them room.
func (d *draft) configure() []Step {
	var out []Step
	for i := range d.now.Nodes {
		live, _ := d.differing(i)
		if len(live) > 0 && d.fits(i, live) {
			out = append(out, Step{Kind: Configure, Node: d.name(i), Config: live, Reason: "its live value differs"})
		}
	}
	return out
}

// fits holds a maxmemory below what node i uses: by its policy the node would
// drop keys at once, or refuse every write.
func (d *draft) fits(i int, config map[string]string) bool {
	m := d.node(i).Memory
	limit, ok := bytesOf(config["maxmemory"])
	if !ok || limit == 0 || m.Used <= limit {
		return true
	}
	d.hold(Hold{
		Why: Stuck, Code: NoMemory, Node: d.name(i),
		Text: fmt.Sprintf("%s uses %s, more than the wanted maxmemory of %s", d.name(i), sizeText(m.Used), sizeText(limit)),
		Lift: "raise maxmemory, or move to more masters first",
	})
	return false
}

// differing are the directives of node i that are not as wanted: those that
// CONFIG SET takes, and those that need a restart.
func (d *draft) differing(i int) (live, restart map[string]string) {
	n := d.node(i)
	if !n.Listed || !d.up(i) || !n.Member {
		return nil, nil
	}
	for _, key := range slices.Sorted(maps.Keys(d.want.Config)) {
		has, told := n.Config[key]
		if !told || sameValue(key, d.want.Config[key], has) {
			continue
		}
		into := &live
		if needsRestart[key] {
			into = &restart
		}
		if *into == nil {
			*into = map[string]string{}
		}
		(*into)[key] = d.want.Config[key]
	}
	return live, restart
}

// untold are the directives that member i does not tell the value of: a server
// leaves out of CONFIG GET what it does not know. Said aloud, or a misspelled
// directive would pass for one that is as wanted.
func (d *draft) untold(i int) (Hold, bool) {
	n := d.node(i)
	if !n.Listed || !n.Member || !d.up(i) || n.Config == nil || len(d.want.Config) == 0 {
		return Hold{}, false
	}
	if len(n.Config) == 0 {
		return Hold{
			Stuck, Refused, n.Name, n.Name + " refuses CONFIG GET, so spec.config can't be compared",
			"permit CONFIG to the login, or take spec.config out of the file",
		}, true
	}
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(d.want.Config)) {
		if _, told := n.Config[key]; !told {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return Hold{}, false
	}
	return Hold{
		Stuck, WrongEngine, n.Name,
		fmt.Sprintf("%s runs %s %s, which knows no directive %s", n.Name, n.Server.Name, n.Server.Version, strings.Join(unknown, ", ")),
		"correct spec.config, or install the engine that knows it",
	}, true
}

// putBack returns the switch that an earlier run borrowed, once nothing else
// is left to do. A node that still has to leave, a half-moved slot or members
// that don't agree yet mean that the change goes on: switched back now, the
// servers would move the leaving shard's replicas by themselves.
func (d *draft) putBack() []Step {
	if !d.agreed() || len(d.now.Open) > 0 || slices.Contains(d.leaving, true) {
		return nil
	}
	var out []Step
	for i := range d.now.Nodes {
		if n := d.node(i); n.Borrowed && d.up(i) && n.Member {
			out = append(out, Step{
				Kind: Configure, Node: n.Name, Config: map[string]string{replicaMigration: "yes"},
				Reason: "a run switched it off for its own work",
			})
		}
	}
	return out
}

// PutsBack reports whether s only returns what a run switched on a server for
// its own work. A run that ends by itself returns it without a step.
func (s Step) PutsBack() bool {
	return s.Kind == Configure && len(s.Config) == 1 && s.Config[replicaMigration] == "yes"
}

const replicaMigration = "cluster-allow-replica-migration"

func (s *Step) configured(now *cluster.State) {
	n := find(now, s.Node)
	if n == nil {
		return
	}
	config := maps.Clone(n.Config)
	if config == nil {
		config = map[string]string{}
	}
	maps.Copy(config, s.Config)
	n.Config = config
	if _, ok := s.Config[replicaMigration]; ok {
		n.Borrowed = false
	}
	if max, ok := bytesOf(s.Config["maxmemory"]); ok {
		n.Memory.Max = max
	}
	if policy, ok := s.Config["maxmemory-policy"]; ok {
		n.Memory.Policy = policy
	}
}
