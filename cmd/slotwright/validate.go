package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slotwright/slotwright/reconcile/platform/kube"
	"github.com/slotwright/slotwright/spec"
)

func (t *tool) validate() *cobra.Command {
	return &cobra.Command{
		Use:   "validate PATH...",
		Short: "Read and check topology files; no network",
		Long: `validate reads topology files and reports every mistake, with file and line, at
once. PATH is a file, a directory (recursive) or - for standard input.`,
		Example: `  slotwright validate topologies/
  slotwright validate orders.yaml sessions.yaml
  git show main:orders.yaml | slotwright validate -`,
		Args: wordsAre(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, paths []string) error {
			wants, err := t.load(paths)
			if err != nil {
				return err
			}
			for _, want := range wants {
				fmt.Fprintf(t.out, "%s: %s: %s\n", place(want), want.Name, shape(want))
			}
			return nil
		},
	}
}

// load reads the topologies that the arguments of a command line mean.
func (t *tool) load(paths []string) ([]spec.Topology, error) {
	sources, err := spec.Read(paths, t.in)
	if err != nil {
		return nil, err
	}
	wants, err := spec.Load(sources)
	if err != nil {
		return nil, err
	}
	var wrong []error
	for _, want := range wants {
		if want.Platform.Kubernetes != nil {
			wrong = append(wrong, kube.Check(want))
		}
	}
	return wants, errors.Join(wrong...)
}

// place is where a topology was written.
func place(want spec.Topology) string { return fmt.Sprintf("%s:%d", want.File, want.Line) }

// shape is the size of a topology in words.
func shape(want spec.Topology) string {
	if want.State == spec.Absent {
		return "absent"
	}
	text := fmt.Sprintf("%s, %s each", count(want.Masters, "master"), count(want.ReplicasPerMaster, "replica"))
	if len(want.Zones) > 0 {
		text += fmt.Sprintf(", %s", count(len(want.Zones), "zone"))
	}
	return text
}
