// Package planfile saves plans and reads them again. It stands apart from the
// command so that its fuzzing compiles little.
package planfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/reconcile/whole"
	"github.com/slotwright/slotwright/spec"
)

// File is what a plan file holds: no secret, for a topology has none. It is never
// carried out as it stands: apply plans anew and runs that plan only if it is the
// saved one or the rest of it.
type File struct {
	Kind          string    `json:"kind"`
	FormatVersion int       `json:"formatVersion"`
	ToolVersion   string    `json:"toolVersion"`
	Created       time.Time `json:"created"`
	Revision      string    `json:"revision"`
	Clusters      []Saved   `json:"clusters"`
}

// Saved is the plan of one cluster.
type Saved struct {
	Cluster  string `json:"cluster"`
	File     string `json:"file"`     // where the topology was written; its paths are relative to it
	Topology string `json:"topology"` // the document
	// Nodes are the IDs of the members by name. A node that leaves is reset and
	// gets another, so a file that was carried out once does not fit again.
	Nodes       map[string]string `json:"nodes"`
	Digest      string            `json:"digest"` // what Sum says of Topology and Nodes
	Fingerprint string            `json:"fingerprint"`
	Steps       []plan.Step       `json:"steps"`
	Goal        plan.Goal         `json:"goal"`
}

// What a plan file says it is, and of which format.
const (
	Kind          = "SlotwrightPlan"
	FormatVersion = 1

	most = 64 << 20 // bytes; a plan for 1000 nodes has less than one
)

// Write saves plans in a file that only its owner can read. A file that existed is
// replaced whole or not at all.
func Write(path string, file File) error {
	file.Kind, file.FormatVersion = Kind, FormatVersion
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	return whole.Write(path, append(text, '\n'))
}

// Save is the plan of a look that succeeded.
func Save(want spec.Topology, r reconcile.Result) (Saved, error) {
	doc, err := spec.Format(want)
	if err != nil {
		return Saved{}, err
	}
	out := Saved{
		Cluster: want.Name, File: want.File, Topology: string(doc), Nodes: membersOf(r.Seen),
		Fingerprint: r.Plan.Fingerprint(), Steps: r.Plan.Steps, Goal: r.Plan.Goal,
	}
	out.Digest = out.Sum()
	return out, nil
}

func membersOf(seen cluster.State) map[string]string {
	out := map[string]string{}
	for _, n := range seen.Nodes {
		if n.Member {
			out[n.Name] = n.ID
		}
	}
	return out
}

// Plan is what was saved.
func (s Saved) Plan() plan.Plan {
	return plan.Plan{Cluster: s.Cluster, Steps: s.Steps, Goal: s.Goal}
}

// Sum is the sha256 of Topology and Nodes.
func (s Saved) Sum() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", s.Topology)
	for _, name := range slices.Sorted(maps.Keys(s.Nodes)) {
		fmt.Fprintf(h, "%q %q\n", name, s.Nodes[name])
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}

// Renewed are the nodes that now would remove and that are others than those
// the plan was made for.
func (s Saved) Renewed(now reconcile.Result) []string {
	ids := membersOf(now.Seen)
	var out []string
	for _, step := range now.Plan.Steps {
		switch step.Kind {
		case plan.Forget, plan.Reset, plan.Destroy:
			if id := ids[step.Node]; id != "" && id != s.Nodes[step.Node] {
				out = append(out, step.Node)
			}
		}
	}
	return out
}

// Is reports whether a file begins like a plan file. Whether it is a good one is
// found out by Load.
func Is(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false
	}
	head, _ := io.ReadAll(io.LimitReader(f, 256))
	return bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) && bytes.Contains(head, []byte(Kind))
}

// Load reads a plan file: its topologies, and the plans by cluster.
func Load(path string) ([]spec.Topology, map[string]Saved, error) {
	text, err := read(path)
	if err != nil {
		return nil, nil, fmt.Errorf("plan file %s: %w", path, err)
	}
	wants, plans, err := parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("plan file %s: %w", path, err)
	}
	return wants, plans, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(text) > most {
		return nil, fmt.Errorf("it has more than %d MiB", most>>20)
	}
	return text, err
}

// parse believes nothing unchecked: topologies are read as any topology is, and
// every plan must have its fingerprint.
func parse(text []byte) ([]spec.Topology, map[string]Saved, error) {
	var file File
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	switch err := d.Decode(&file); {
	case err != nil:
		return nil, nil, err
	case file.Kind != Kind || file.FormatVersion != FormatVersion:
		return nil, nil, fmt.Errorf("it is %q of format %d; this version reads %q of format %d",
			file.Kind, file.FormatVersion, Kind, FormatVersion)
	}
	var sources []spec.Source
	plans := map[string]Saved{}
	for _, one := range file.Clusters {
		if one.Sum() != one.Digest || one.Plan().Fingerprint() != one.Fingerprint {
			return nil, nil, fmt.Errorf("the plan of %s was changed after it was saved", one.Cluster)
		}
		plans[one.Cluster] = one
		sources = append(sources, spec.Source{Name: one.File, Data: []byte(one.Topology)})
	}
	wants, err := spec.Load(sources)
	if err != nil {
		return nil, nil, err
	}
	return wants, plans, nil
}
