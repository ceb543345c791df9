package main

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

// planFile is a saved plan. It holds no secret, for a topology has none. It is
// never carried out as it stands: apply plans anew and runs that plan only if
// it is the saved one or the rest of it.
type planFile struct {
	Kind          string    `json:"kind"`
	FormatVersion int       `json:"formatVersion"`
	ToolVersion   string    `json:"toolVersion"`
	Created       time.Time `json:"created"`
	Revision      string    `json:"revision"`
	Clusters      []saved   `json:"clusters"`
}

// saved is the plan of one cluster in a plan file.
type saved struct {
	Cluster  string `json:"cluster"`
	File     string `json:"file"`     // where the topology was written; its paths are relative to it
	Topology string `json:"topology"` // the document
	// Nodes are the IDs of the members by name. A node that leaves is reset and
	// gets another, so a file that was carried out once does not fit again.
	Nodes       map[string]string `json:"nodes"`
	Digest      string            `json:"digest"` // sha256 of Topology and Nodes
	Fingerprint string            `json:"fingerprint"`
	Steps       []plan.Step       `json:"steps"`
	Goal        plan.Goal         `json:"goal"`

	plan plan.Plan
}

const (
	planFileKind = "SlotwrightPlan"
	maxPlanFile  = 64 << 20 // bytes; a plan for 1000 nodes has less than one
)

// savePlans writes a plan file that only its owner can read. A file that
// existed is replaced whole or not at all.
func savePlans(path string, all []surveyed, now time.Time) error {
	file := planFile{Kind: planFileKind, FormatVersion: formatVersion, ToolVersion: built().Version, Created: now.UTC()}
	for _, s := range all {
		if s.result.Err != nil {
			return fault{
				text: fmt.Sprintf("save plan: %s could not be planned, so nothing was saved", s.want.Name),
				hint: "lift the error, or plan that cluster apart",
			}
		}
		one, err := save(s)
		if err != nil {
			return fmt.Errorf("save plan of %s: %w", s.want.Name, err)
		}
		file.Clusters = append(file.Clusters, one)
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	if err := whole.Write(path, append(text, '\n')); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	return nil
}

func save(s surveyed) (saved, error) {
	doc, err := spec.Format(s.want)
	if err != nil {
		return saved{}, err
	}
	p := s.result.Plan
	out := saved{
		Cluster: s.want.Name, File: s.want.File, Topology: string(doc), Nodes: membersOf(s.result.Seen),
		Fingerprint: p.Fingerprint(), Steps: p.Steps, Goal: p.Goal,
	}
	out.Digest = out.digest()
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

func (s saved) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", s.Topology)
	for _, name := range slices.Sorted(maps.Keys(s.Nodes)) {
		fmt.Fprintf(h, "%q %q\n", name, s.Nodes[name])
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}

// renewed are the nodes that now would remove and that are others than those
// the plan was made for.
func (s saved) renewed(now reconcile.Result) []string {
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

// isPlanFile reports whether a file begins like a plan file. Whether it is a
// good one is found out by loadPlans.
func isPlanFile(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false
	}
	head, _ := io.ReadAll(io.LimitReader(f, 256))
	return bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) && bytes.Contains(head, []byte(planFileKind))
}

// loadPlans reads a plan file. Nothing in it is believed unchecked: topologies
// are read as any topology is, and every plan must have its fingerprint.
func loadPlans(path string) ([]spec.Topology, map[string]saved, error) {
	file, err := readPlanFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("plan file %s: %w", path, err)
	}
	var sources []spec.Source
	plans := map[string]saved{}
	for _, one := range file.Clusters {
		one.plan = plan.Plan{Cluster: one.Cluster, Steps: one.Steps, Goal: one.Goal}
		if one.digest() != one.Digest || one.plan.Fingerprint() != one.Fingerprint {
			return nil, nil, fmt.Errorf("plan file %s: the plan of %s was changed after it was saved", path, one.Cluster)
		}
		plans[one.Cluster] = one
		sources = append(sources, spec.Source{Name: one.File, Data: []byte(one.Topology)})
	}
	wants, err := spec.Load(sources)
	if err != nil {
		return nil, nil, fmt.Errorf("plan file %s: %w", path, err)
	}
	return wants, plans, nil
}

func readPlanFile(path string) (planFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return planFile{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPlanFile+1))
	if err != nil {
		return planFile{}, err
	}
	if len(text) > maxPlanFile {
		return planFile{}, fmt.Errorf("it has more than %d MiB", maxPlanFile>>20)
	}
	var file planFile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	switch err := d.Decode(&file); {
	case err != nil:
		return planFile{}, err
	case file.Kind != planFileKind || file.FormatVersion != formatVersion:
		return planFile{}, fmt.Errorf("it is %q of format %d; this version reads %q of format %d",
			file.Kind, file.FormatVersion, planFileKind, formatVersion)
	}
	return file, nil
}
